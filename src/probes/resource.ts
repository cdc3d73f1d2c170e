import type { Expectation } from '../api/experiment.js';
import { defaulted, duration, enumeration, type Infer, list, map, object, optional, string } from '../api/schema.js';
import { parseDuration } from '../stats/duration.js';
import { checkExpression } from './cel.js';
import { type ProbeProblem, probe, type ResourceQuery, type Sampler, type SamplerContext } from './probe.js';

const requirement = object(
  'One requirement.',
  {
    key: string('key is the label.', { max: 317, min: 1 }),
    operator: enumeration('operator relates the label to `values`.', ['In', 'NotIn', 'Exists', 'DoesNotExist']),
    values: optional(list('values for `In` and `NotIn`.', string('A label value.', { max: 63 }), { max: 32 })),
  },
  [
    {
      rule: "self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0 : !has(self.values) || self.values.size() == 0",
      message: '`values` must be given for `In` and `NotIn`, and must not be given for `Exists` and `DoesNotExist`',
    },
  ],
);

const schema = object(
  "resource reads objects of the run's namespace, or one that has no namespace, and evaluates `expect.that` on them.",
  {
    apiVersion: string('apiVersion of the objects, such as `apps/v1`.', {
      max: 317,
      pattern: '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9a-z]+$',
    }),
    kind: string('kind of the objects, such as `Deployment`; not `Secret`.', {
      max: 63,
      pattern: '^[A-Z][A-Za-z0-9]*$',
    }),
    name: optional(
      string('name of the object, `object` in `expect.that`; when it is not there, the sample fails.', {
        max: 253,
        min: 1,
      }),
    ),
    selector: optional(
      object(
        'selector picks objects by their labels. They are `objects` in `expect.that`. With neither `name` nor `selector` these are all objects of the kind.',
        {
          matchLabels: optional(
            map('matchLabels are labels an object must have.', string('A label value.', { max: 63 }), { max: 16 }),
          ),
          matchExpressions: optional(list('matchExpressions must all hold.', requirement, { max: 16 })),
        },
      ),
    ),
    interval: defaulted(duration('interval between two samples, from 100ms to 1m. Default 1s.'), '1s'),
  },
  [{ rule: '!(has(self.name) && has(self.selector))', message: 'at most one of `name`, `selector` may be given' }],
);

/** The fields of a `resource` probe, with every default filled in. */
export type ResourceSpec = Infer<typeof schema>;

/** Why a kind may not be read, or undefined: what probes read ends up in messages that more people can see. */
export function whyUnreadable({ kind }: { kind: string }): string | undefined {
  return kind.toLowerCase() === 'secret' ? 'Secrets may not be read by probes' : undefined;
}

function check(spec: ResourceSpec, expect: Expectation): ProbeProblem[] {
  const interval = spec.interval === undefined ? undefined : parseDuration(spec.interval);
  const problems = [
    { path: ['resource', 'kind'], message: whyUnreadable(spec) },
    {
      path: ['resource', 'interval'],
      message: interval !== undefined && (interval < 100 || interval > 60_000) ? 'must be from 100ms to 1m' : undefined,
    },
    {
      path: ['expect', 'that'],
      message: expect?.that === undefined ? undefined : checkExpression(expect.that, variableOf(spec)),
    },
    ...latencyLimits.map((field) => ({
      path: ['expect', field],
      message:
        expect?.[field] === undefined ? undefined : 'may not be given with `resource`, whose samples have no latency',
    })),
  ];
  return problems.flatMap(({ path, message }) => (message === undefined ? [] : [{ path, message }]));
}

const latencyLimits = ['latencyP50', 'latencyP95', 'latencyP99'] as const;

function variableOf({ name }: { name?: string }): 'object' | 'objects' {
  return name === undefined ? 'objects' : 'object';
}

function sampler(spec: ResourceSpec, { namespace, expect, services }: SamplerContext): Sampler {
  const labelSelector = selectorText(spec.selector);
  const query: ResourceQuery = {
    apiVersion: spec.apiVersion,
    kind: spec.kind,
    namespace,
    ...(spec.name !== undefined && { name: spec.name }),
    ...(labelSelector !== '' && { labelSelector }),
  };
  let reading = false;
  return {
    async sample() {
      if (reading) return { ok: false, own: true, detail: 'the read before this one is still under way' };
      reading = true;
      return await services.examineResource(query, expect.that).finally(() => {
        reading = false;
      });
    },
  };
}

/** A label selector as the API server takes it in a query: `app=shop,tier in (a,b),!old`; empty when it picks all. */
export function selectorText(selector: ResourceSpec['selector']): string {
  const labels = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const expressions = (selector?.matchExpressions ?? []).map(({ key, operator, values }) => {
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${operator === 'In' ? 'in' : 'notin'} (${(values ?? []).join(',')})`;
  });
  return [...labels, ...expressions].join(',');
}

/** Reads objects from the API server and evaluates an expression on them. */
export const resource = probe<ResourceSpec>({
  name: 'resource',
  summary: 'Reads any object or list of objects and evaluates a CEL expression on it.',
  schema,
  rules: [],
  example: {
    spec: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'checkout', interval: '1s' },
    expect: { that: 'object.status.availableReplicas >= 2' },
  },
  minimumSamples: 3,
  access: ["`get`, or `list` without a `name`, on the objects it reads, in the run's namespace."],
  check,
  interval: ({ interval }) => parseDuration(interval),
  sampler,
});
