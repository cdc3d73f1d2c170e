import type { Endpoint, Peers, PortRange } from '../../api/peers.js';
import type {
  FieldChange,
  ObjectRef,
  Pause,
  Signal,
  Step,
  TcpDelay,
  Traffic,
  TrafficMatch,
} from '../../faults/step.js';

/** What a step does, in a few words for people who know its target, of which the UID is given. */
export function stepWords(step: Step, target: string): string {
  switch (step.do) {
    case 'deletePod':
      return `delete ${step.uid === target ? 'it' : `pod ${step.namespace}/${step.name}`}${grace(step.gracePeriodSeconds)}`;
    case 'emptyNode': {
      const how = step.by === 'Evict' ? 'evict' : 'delete';
      const expects = step.budget === 'Expect' ? ', and expect a disruption budget to hold one back' : '';
      const whose = step.uid === target ? 'its pods' : `the pods of node ${step.node}`;
      return `${how} ${whose}${grace(step.gracePeriodSeconds)}${expects}`;
    }
    case 'setFields': {
      const words = step.changes.map(changeWords).join(', ');
      return step.object.uid === target ? words : `${objectWords(step.object)}: ${words}`;
    }
    case 'traffic':
      return trafficWords(step);
    case 'tcpDelay':
      return tcpDelayWords(step);
    case 'signal':
    case 'pause':
      return processWords(step);
  }
}

function grace(seconds: number | undefined): string {
  return seconds === undefined ? '' : ` with ${seconds}s of grace`;
}

function objectWords({ kind, namespace, name }: ObjectRef): string {
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
}

function changeWords(change: FieldChange): string {
  switch (change.field) {
    case 'unschedulable':
      return change.to ? 'cordon it' : 'uncordon it';
    case 'taint':
      return `taint it ${change.key}${change.value === undefined ? '' : `=${change.value}`}:${change.effect}`;
    case 'replicas':
      return `scale it to ${'count' in change.to ? change.to.count : `${change.to.percent}%`}`;
    case 'autoscalerBounds':
      return `hold its bounds at ${'count' in change.to ? change.to.count : `${change.to.percent}%`}`;
    case 'restartedAt':
      return 'roll it out anew';
  }
}

function trafficWords({ match, drop, rateBitsPerSecond, netem = {} }: Traffic): string {
  const { delay, loss, duplicate, corrupt, reorder } = netem;
  const parts = [
    drop !== undefined && `drop ${percent(drop)} of the packets`,
    delay &&
      `delay by ${delay.latencyMilliseconds}ms${delay.jitterMilliseconds ? ` ± ${delay.jitterMilliseconds}ms` : ''}`,
    loss && `lose ${percent(loss.share)}`,
    duplicate && `duplicate ${percent(duplicate.share)}`,
    corrupt && `corrupt ${percent(corrupt.share)}`,
    reorder && `reorder ${percent(reorder.share)}`,
    rateBitsPerSecond !== undefined && `limit to ${rateBitsPerSecond} bit/s`,
  ];
  return `${parts.filter(Boolean).join(', ')} ${matchWords(match)}`;
}

function tcpDelayWords({ match, latencyMilliseconds, jitterMilliseconds }: TcpDelay): string {
  const jitter = jitterMilliseconds ? ` ± ${jitterMilliseconds}ms` : '';
  return `delay new TCP connections by ${latencyMilliseconds}ms${jitter} ${matchWords(match)}, by a proxy`;
}

function matchWords({ direction, peers, except, ports }: TrafficMatch): string {
  const way = { Egress: 'of what it sends', Ingress: 'of what it gets', Both: 'of what it sends and gets' }[direction];
  const whom = peers ? ` with ${peerWords(peers)}` : '';
  const not = except ? ` but not with ${peerWords(except)}` : '';
  return `${way}${whom}${not}${ports ? ` on ${ports.map(portWords).join(', ')}` : ''}`;
}

function peerWords(peers: Peers): string {
  const parts = Object.entries(peers).flatMap(([kind, found]) => {
    const list = Array.isArray(found) ? found : found === undefined ? [] : [found];
    return list.length === 0 ? [] : [`${kind} ${list.map(peerText).join(', ')}`];
  });
  return parts.join(' and ');
}

function peerText(peer: unknown): string {
  if (typeof peer !== 'object' || peer === null) return String(peer);
  const { name, namespace } = peer as Partial<Endpoint> & { name?: string; namespace?: string };
  if (name === undefined) return JSON.stringify(peer);
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function portWords(range: PortRange): string {
  return Object.values(range).join(' ');
}

function percent(share: number): string {
  return `${Math.round(share * 10_000) / 100}%`;
}

function processWords(step: Signal | Pause): string {
  const { containers, which } = step.processes;
  const what = which === 'Main' ? 'the first process' : `processes that match ${which.pattern}`;
  const where = containers ? `container ${containers.join(', ')}` : 'every container';
  return step.do === 'pause' ? `stop ${what} of ${where}` : `send ${step.signal} to ${what} of ${where}`;
}
