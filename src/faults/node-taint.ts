import { enumeration, list, object, optional, string } from '../api/schema.js';
import { type FaultProblem, fault } from './fault.js';

const namePattern = '[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?';
const prefixPattern = '[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*';

const schema = object(
  'nodeTaint taints the targets. A taint of the same key and effect that is there already gets our value, and its own back in the end; all others are left alone.',
  {
    taints: list(
      'taints to add, no two of the same key and effect.',
      object('A taint.', {
        key: string('key of the taint, such as `example.com/maintenance`.', {
          max: 316,
          min: 1,
          pattern: `^(${prefixPattern}/)?${namePattern}$`,
        }),
        value: optional(string('value of the taint. Left out: empty.', { max: 63, pattern: `^(${namePattern})?$` })),
        effect: enumeration(
          'effect on pods that do not tolerate it: with `NoSchedule` no new ones come, with `PreferNoSchedule` rather not, and with `NoExecute` those that are there have to go, past disruption budgets.',
          ['NoSchedule', 'PreferNoSchedule', 'NoExecute'],
        ),
      }),
      { max: 10, min: 1 },
    ),
  },
);

/** Adds taints to nodes; what pods do not tolerate keeps them away or takes them off. */
export const nodeTaint = fault({
  name: 'nodeTaint',
  summary: 'Taints nodes, with any effect.',
  schema,
  rules: [],
  example: { taints: [{ key: 'example.com/maintenance', value: 'planned', effect: 'NoSchedule' as const }] },
  targets: ['nodes'],
  disrupts: ({ taints }) => taints.some(({ effect }) => effect === 'NoExecute'),
  oneShot: false,
  by: 'ApiServer',
  removesPods: false,
  needs: [{ group: '', resource: 'nodes', verbs: ['patch'] }],
  check: ({ taints }) => problemsOf(taints),
  apply: ({ taints }, { name, uid }) => [
    {
      do: 'setFields',
      object: { kind: 'Node', namespace: '', name, uid },
      changes: taints.map((taint) => ({ field: 'taint' as const, ...taint })),
    },
  ],
});

function problemsOf(taints: readonly { key: string; effect: string }[]): FaultProblem[] {
  return taints.flatMap(({ key, effect }, index) => {
    const path = ['nodeTaint', 'taints', index];
    const first = taints.findIndex((each) => each.key === key && each.effect === effect);
    const found: FaultProblem[] = [];
    if (first < index) found.push({ path, message: `\`${key}\` with the effect ${effect} is there twice` });
    if (key.startsWith('node.kubernetes.io/'))
      found.push({
        path: [...path, 'key'],
        message: 'must not begin with `node.kubernetes.io/`: Kubernetes itself sets and removes these',
      });
    return found;
  });
}
