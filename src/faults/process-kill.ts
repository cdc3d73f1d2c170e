import { object, string } from '../api/schema.js';
import { fault } from './fault.js';
import {
  containersField,
  patternBounds,
  patternDescription,
  patternProblems,
  processMatch,
  processPlan,
  signalField,
} from './process-fields.js';

const schema = object(
  'processKill sends a signal to processes inside of containers, once. There is nothing to take back: whatever started them may start them again. A pod without such a process is refused.',
  {
    signal: signalField,
    pattern: string(patternDescription(), patternBounds),
    containers: containersField('all of the pod but ephemeral ones'),
  },
);

/** Signals processes by their name or command line. */
export const processKill = fault({
  name: 'processKill',
  summary: 'Sends a signal to processes inside of containers, by name or command line.',
  schema,
  rules: [],
  example: { pattern: '^nginx: worker', signal: 'SIGKILL' },
  targets: ['pods'],
  disrupts: true,
  oneShot: true,
  by: 'Agent',
  sidecar: false,
  needs: [],
  check: ({ pattern }) => patternProblems('processKill', pattern),
  plan: ({ signal = 'SIGKILL', pattern, containers }, abilities) =>
    processPlan(abilities, { do: 'signal', signal, processes: processMatch({ pattern }, containers) }),
});
