import { duration, object, optional } from '../api/schema.js';
import { parseDuration } from '../stats/duration.js';
import { fault } from './fault.js';

const schema = object('podKill deletes the targets. There is nothing to take back: their controllers make new ones.', {
  gracePeriod: optional(
    duration(
      "gracePeriod between SIGTERM and SIGKILL, in whole seconds; the kubelet leaves 2s at least. With `0s` the pod is gone from the API server at once, and its containers 2s later at most. Left out: the pod's own.",
      {
        zero: true,
        wholeSeconds: true,
      },
    ),
  ),
  repeatEvery: optional(
    duration("repeatEvery draws and kills anew this often while the step's `duration` lasts. Left out: once."),
  ),
});

/** Deletes pods, each by its UID, so that no pod is killed twice. */
export const podKill = fault({
  name: 'podKill',
  summary: 'Deletes pods, with their grace period or without.',
  schema,
  rules: [
    {
      rule: '!has(self.podKill) || !has(self.podKill.repeatEvery) || has(self.duration)',
      message: '`podKill.repeatEvery` may only be given when the step has a `duration`',
    },
  ],
  example: { gracePeriod: '0s' },
  targets: ['pods'],
  disrupts: true,
  oneShot: true,
  by: 'ApiServer',
  removesPods: true,
  needs: [{ group: '', resource: 'pods', verbs: ['delete'] }],
  apply: (params, target) => [
    {
      do: 'deletePod',
      namespace: target.namespace,
      name: target.name,
      uid: target.uid,
      ...(params.gracePeriod !== undefined && { gracePeriodSeconds: parseDuration(params.gracePeriod) / 1000 }),
    },
  ],
  repeatEvery: (params) => params.repeatEvery,
});
