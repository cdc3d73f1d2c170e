import { enumeration, type Infer, list, map, object, optional, string } from './schema.js';

/** A label selector that names at least one label; `description` says what it picks. */
export const labelSelector = (description: string) =>
  object(
    description,
    {
      matchLabels: optional(
        map('matchLabels are labels an object must have.', string('A label value.', { max: 63 }), { max: 16 }),
      ),
      matchExpressions: optional(
        list(
          'matchExpressions must all hold.',
          object(
            'One requirement.',
            {
              key: string('key is the label.', { max: 317, min: 1 }),
              operator: enumeration('operator relates the label to `values`.', [
                'In',
                'NotIn',
                'Exists',
                'DoesNotExist',
              ]),
              values: optional(
                list('values for `In` and `NotIn`.', string('A label value.', { max: 63 }), { max: 32 }),
              ),
            },
            [
              {
                rule: "self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0 : !has(self.values) || self.values.size() == 0",
                message:
                  '`values` must be given for `In` and `NotIn`, and must not be given for `Exists` and `DoesNotExist`',
              },
            ],
          ),
          { max: 16 },
        ),
      ),
    },
    [
      {
        rule: '(has(self.matchLabels) && self.matchLabels.size() > 0) || (has(self.matchExpressions) && self.matchExpressions.size() > 0)',
        message: 'must not be empty: an empty selector would pick everything in the namespace',
      },
    ],
  );

/** A label selector as in `metav1.LabelSelector`. */
export type LabelSelector = Infer<ReturnType<typeof labelSelector>>;

/** A label selector as the API server's list takes it, such as `app=shop,tier in (a,b)`. */
export function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const labels = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  const expressions = matchExpressions.map(({ key, operator, values = [] }) => {
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`;
  });
  return [...labels, ...expressions].join(',');
}

/** Whether a selector picks an object with these labels, as the API server's list does. One that names nothing picks all. */
export function selects(
  { matchLabels = {}, matchExpressions = [] }: LabelSelector,
  labels: Readonly<Record<string, string>> = {},
): boolean {
  const has = (key: string) => Object.hasOwn(labels, key);
  const isExact = Object.entries(matchLabels).every(([key, value]) => has(key) && labels[key] === value);
  return (
    isExact &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      if (operator === 'Exists') return has(key);
      if (operator === 'DoesNotExist') return !has(key);
      const isListed = has(key) && values.includes(labels[key] ?? '');
      return operator === 'In' ? isListed : !isListed;
    })
  );
}
