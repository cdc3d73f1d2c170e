import { object, optional, string } from '../api/schema.js';
import { fault } from './fault.js';
import {
  containersField,
  patternBounds,
  patternDescription,
  patternProblems,
  processMatch,
  processPlan,
} from './process-fields.js';

const schema = object(
  'processPause keeps processes inside of containers stopped (SIGSTOP), and lets them go on in the end (SIGCONT). Those that were stopped before stay stopped. Processes that start while it is on are stopped too. It ends by itself within 30s when nothing of Squall lives any more.',
  {
    pattern: optional(string(patternDescription(' Left out: all processes of the containers.'), patternBounds)),
    containers: containersField('all of the pod but ephemeral ones'),
  },
);

/** Everything matches it, also processes without a name. */
const ALL = '';

/** Stops processes, and lets them go on. */
export const processPause = fault({
  name: 'processPause',
  summary: 'Keeps processes inside of containers stopped, so that they answer nothing and yet live.',
  schema,
  rules: [],
  example: { pattern: '^redis-server', containers: ['redis'] },
  targets: ['pods'],
  disrupts: true,
  oneShot: false,
  by: 'Agent',
  sidecar: false,
  needs: [],
  check: ({ pattern }) => patternProblems('processPause', pattern),
  plan: ({ pattern = ALL, containers }, abilities) =>
    processPlan(abilities, { do: 'pause', processes: processMatch({ pattern }, containers) }),
});
