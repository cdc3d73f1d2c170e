import { object } from '../api/schema.js';
import { fault } from './fault.js';
import { containersField, processMatch, processPlan, signalField } from './process-fields.js';

const schema = object(
  "containerKill sends a signal to the first process of containers, once. There is nothing to take back: the kubelet restarts them as the pod's `restartPolicy` says.",
  {
    signal: signalField,
    containers: containersField('all of the pod but ephemeral ones'),
  },
);

/** Signals the first process of containers, with which they end. */
export const containerKill = fault({
  name: 'containerKill',
  summary: 'Ends containers by a signal to their first process; the pod stays.',
  schema,
  rules: [],
  example: { signal: 'SIGKILL', containers: ['app'] },
  targets: ['pods'],
  disrupts: true,
  oneShot: true,
  by: 'Agent',
  sidecar: false,
  needs: [],
  plan: ({ signal = 'SIGKILL', containers }, abilities) =>
    processPlan(abilities, { do: 'signal', signal, processes: processMatch('Main', containers) }),
});
