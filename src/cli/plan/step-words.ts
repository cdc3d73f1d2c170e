import type { Peers, PortRange } from '../../api/peers.js';
import { selectorText } from '../../api/selector.js';
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
    drop !== undefined && `drop ${percent(drop)}`,
    delay &&
      `delay ${delay.latencyMilliseconds}ms${delay.jitterMilliseconds ? ` ± ${delay.jitterMilliseconds}ms` : ''}`,
    loss && `lose ${percent(loss.share)}`,
    duplicate && `duplicate ${percent(duplicate.share)}`,
    corrupt && `corrupt ${percent(corrupt.share)}`,
    reorder && `reorder ${percent(reorder.share)}`,
    rateBitsPerSecond !== undefined && `limit to ${rateBitsPerSecond} bit/s`,
  ];
  return `${matchWords(match)}: ${parts.filter(Boolean).join(', ')}`;
}

function tcpDelayWords({ match, latencyMilliseconds, jitterMilliseconds }: TcpDelay): string {
  const jitter = jitterMilliseconds ? ` ± ${jitterMilliseconds}ms` : '';
  return `${matchWords(match)}: delay ${latencyMilliseconds}ms${jitter}, on new TCP connections by a proxy`;
}

function matchWords({ direction, peers, except, ports }: TrafficMatch): string {
  const [alone, joined] = {
    Egress: ['what it sends', 'what it sends to'],
    Ingress: ['what it gets', 'what it gets from'],
    Both: ['what it sends and gets', 'what it sends to and gets from'],
  }[direction];
  const whom = peers ? `${joined} ${peerWords(peers)}` : alone;
  const not = except ? ` but not ${peerWords(except)}` : '';
  return `${whom}${not}${ports ? ` on ${ports.map(portWords).join(', ')}` : ''}`;
}

function peerWords({ pods, services = [], cidrs = [], hosts = [] }: Peers): string {
  const place = (namespace: string | undefined) => (namespace === undefined ? '' : ` in ${namespace}`);
  return [
    ...(pods ? [`pods ${selectorText(pods.selector)}${place(pods.namespace)}`] : []),
    ...services.map(({ name, namespace }) => `Service ${name}${place(namespace)}`),
    ...cidrs,
    ...hosts,
  ].join(', ');
}

function portWords({ port, endPort, protocol = 'TCP' }: PortRange): string {
  return `${protocol} ${endPort === undefined || endPort === port ? port : `${port}-${endPort}`}`;
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
