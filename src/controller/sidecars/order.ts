import type { Injection, Target, TargetStatus } from '../../api/injection.js';
import type { Peers } from '../../api/peers.js';
import { RefusedError } from '../../api/refused-error.js';
import { recordId } from '../../domain/record-id.js';
import { faultOf } from '../../faults/index.js';
import { encodeOrder, type SidecarStep } from '../../faults/sidecar.js';
import type { Traffic } from '../../faults/step.js';
import type { Client } from '../../kubernetes/client.js';
import { peerAddresses } from '../../kubernetes/peer-addresses.js';
import { hostIPsOf, kubeletProbePorts, podIPsOf } from '../../kubernetes/pod.js';
import type { KubeObject } from '../../kubernetes/resource.js';
import { parseDuration } from '../../stats/duration.js';
import { untriedAbilities } from '../agent-plans.js';
import type { Sidecar } from './container.js';
import { EXTRA_MILLISECONDS, START_MILLISECONDS } from './judge.js';

/** Nobody takes a fault of no time for one. */
const LEAST_MILLISECONDS = 1_000;

/** A step for all targets of an injection, with the addresses that its peers stood for. */
export type KnownStep = Omit<SidecarStep, 'id'>;

/**
 * The steps of an injection's fault, and what only the API server knows of their peers.
 * @throws RefusedError when no sidecar can carry it, or a peer is not there; and other errors when nobody can say now
 */
export async function stepsOf(client: Client, { spec }: Injection): Promise<KnownStep[]> {
  const { fault, params } = faultOf(spec);
  const plan =
    fault.by === 'Agent' && fault.sidecar
      ? fault.plan(params, untriedAbilities)
      : { refusal: `${fault.name} can't be carried out by a sidecar` };
  if ('refusal' in plan) throw new RefusedError(plan.refusal);
  const find = (peers: Peers | undefined) => peers && peerAddresses(client, spec.run.namespace, peers);
  return Promise.all(
    plan.steps.map(async (step) => {
      if (step.do !== 'traffic') throw new RefusedError(`a sidecar can't carry out steps of the kind '${step.do}'`);
      const [peers, except] = await Promise.all([find(step.match.peers), find(step.match.except)]);
      return { step: withHosts(step), ...(peers && { peers }), ...(except && { except }) };
    }),
  );
}

/** What was resolved need not be said twice. */
function withHosts(step: Traffic): Traffic {
  const only = (peers: Peers): Peers => (peers.hosts ? { hosts: peers.hosts } : {});
  const { peers, except } = step.match;
  return {
    ...step,
    match: { ...step.match, ...(peers && { peers: only(peers) }), ...(except && { except: only(except) }) },
  };
}

/** What the order for one target depends on beside the injection. */
export interface OrderFacts {
  pod: KubeObject;
  steps: readonly KnownStep[];
  before: TargetStatus | undefined;
  /** The one that put the fault on first, when it has to be put back. */
  first: Sidecar | undefined;
}

/**
 * What the sidecar of one target is told, as an argument.
 * @param now milliseconds since the epoch, in API-server time
 * @throws RefusedError when the pod has no address yet, or it is too much
 */
export function orderFor(
  injection: Injection,
  target: Target,
  { pod, steps, before, first }: OrderFacts,
  now: number,
): string {
  const { spec, metadata } = injection;
  const podIPs = podIPsOf(pod);
  if (podIPs.length === 0) throw new RefusedError('the pod has no address yet (status.podIPs)');
  if (spec.duration === undefined) throw new RefusedError('a sidecar needs a duration, after which it ends by itself');
  return encodeOrder({
    pod: target,
    podIPs,
    hostIPs: hostIPsOf(pod),
    probePorts: kubeletProbePorts(pod),
    steps: steps.map((step, index) => ({ id: recordId(metadata.uid, target.uid, index), ...step })),
    milliseconds: leftOf(parseDuration(spec.duration) + EXTRA_MILLISECONDS, first, now),
    startBy: now + START_MILLISECONDS,
    onDrift: spec.onDrift ?? 'Reapply',
    drifts: before?.drifts ?? 0,
  });
}

/** What is put back lasts for the rest of its time. The node's clock is believed only within what ours allows. */
function leftOf(whole: number, first: Sidecar | undefined, now: number): number {
  if (!first) return whole;
  const since = Math.max(first.startBy - START_MILLISECONDS, first.startedAt);
  return Math.min(whole, Math.max(LEAST_MILLISECONDS, whole - (now - since)));
}
