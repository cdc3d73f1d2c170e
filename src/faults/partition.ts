import { object } from '../api/schema.js';
import type { Ability } from './abilities.js';
import { fault } from './fault.js';
import { matchFields, matchOf, matchProblems, refusalFor } from './traffic-fields.js';

const schema = object(
  'partition loses all packets between the targets and others, as if the cable were cut: nobody is told, connections hang until they time out.',
  matchFields('Both'),
);

/** Cuts targets off from others. */
export const partition = fault({
  name: 'partition',
  summary: 'Cuts the targets off from others, or from all.',
  schema,
  rules: [],
  example: {
    direction: 'Both',
    includeKubelet: false,
    peers: { pods: { selector: { matchLabels: { app: 'database' } } } },
  },
  targets: ['pods'],
  disrupts: true,
  oneShot: false,
  by: 'Agent',
  sidecar: true,
  needs: [],
  check: (params) => matchProblems('partition', params),
  plan: (params, abilities) => {
    const match = matchOf(params);
    // What leaves is lost in a class; what comes in is dropped by nft.
    const needed: Ability[] = match.direction === 'Ingress' ? ['nft'] : ['nft', 'htb'];
    const refusal = refusalFor(abilities, needed, 'with `direction: Ingress` nft is enough');
    return refusal === undefined ? { steps: [{ do: 'traffic', match, drop: 1 }] } : { refusal };
  },
});
