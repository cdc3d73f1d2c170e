import { RE2JS } from 're2js';
import type { ProcessMatch } from '../../faults/step.js';
import { RefusedError, TargetGoneError } from '../handler.js';
import type { Place, TargetProcess } from '../place.js';
import type { ProcessTable } from './process-table.js';

/** A process of a target, and which one is its parent. */
export interface Relative extends TargetProcess {
  parent: number;
}

/** How many processes an error names at most. */
const NAMED = 5;
/** Number of the node's first process, which adopts orphans. */
const FIRST = 1;

/** The processes of a target that live now. */
export async function relatives(place: Place, table: ProcessTable): Promise<Relative[]> {
  return (await place.processes()).flatMap((process) => {
    const parent = table.look(process)?.parent;
    return parent === undefined ? [] : [{ ...process, parent }];
  });
}

/**
 * The processes that are meant, among all of a pod's.
 *
 * Never the pod's sandbox, nor an ephemeral container that is not named, nor visitors: what was brought into a container
 * from outside, such as by `kubectl exec` or a probe of the kubelet, with its children.
 */
export function matching(processes: readonly Relative[], { which, containers }: ProcessMatch): Relative[] {
  const firsts = firstOfEach(processes);
  const isVisitor = visitors(processes, firsts);
  const isMeant = which === 'Main' ? (one: Relative) => firsts.has(one) : matcher(which.pattern);
  return processes.filter((one) => isIn(one, containers) && !isVisitor(one) && isMeant(one));
}

/**
 * As `matching`, when there must be some.
 * @throws RefusedError that names what there is instead
 * @throws TargetGoneError when the pod has no process
 */
export function required(processes: readonly Relative[], match: ProcessMatch): Relative[] {
  if (processes.length === 0) throw new TargetGoneError('no process of the pod is left');
  if (processes.some(({ pid }) => pid === process.pid)) {
    throw new RefusedError('the agent itself runs in this pod: its processes are never signalled');
  }
  const missing = match.containers?.filter((name) => processes.every(({ container }) => container !== name)) ?? [];
  if (missing.length > 0) {
    const there = [...new Set(processes.flatMap(({ container }) => container ?? []))];
    const instead = there.length === 0 ? 'none of its containers does' : `these do: ${there.join(', ')}`;
    throw new RefusedError(`no process runs in container ${quoted(missing)} of the pod; ${instead}`);
  }
  const found = matching(processes, match);
  if (found.length > 0) return found;
  const others = processes.filter((one) => isIn(one, match.containers));
  const what = match.which === 'Main' ? 'is the first of its container' : `matches '${match.which.pattern}'`;
  throw new RefusedError(`no process of the pod's containers ${what}; running are ${listed(others)}`);
}

/** Names processes for people, a few at most. */
export function listed(processes: readonly { name: string }[]): string {
  const names = [...new Set(processes.map(({ name }) => name))];
  if (names.length === 0) return 'none';
  return names.length <= NAMED ? names.join(', ') : `${names.slice(0, NAMED).join(', ')} and others`;
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}

function isIn({ container, ephemeral }: Relative, containers: readonly string[] | undefined): boolean {
  if (container === undefined) return false;
  return containers ? containers.includes(container) : !ephemeral;
}

function matcher(pattern: string): (process: Relative) => boolean {
  const expression = RE2JS.compile(pattern);
  return ({ name, commandLine }) => expression.test(name) || expression.test(commandLine);
}

/**
 * The first process of each container: the one with number 1 inside; where containers share a PID namespace, with each
 * other or with the node, the oldest whose parent is not in the container.
 */
function firstOfEach(processes: readonly Relative[]): Set<Relative> {
  const firsts = new Set<Relative>();
  for (const container of new Set(processes.flatMap((one) => one.container ?? []))) {
    const group = processes.filter((one) => one.container === container);
    const pids = new Set(group.map(({ pid }) => pid));
    const entered = group.filter(({ parent }) => !pids.has(parent));
    const [oldest] = entered.toSorted((a, b) => Number(a.startTime) - Number(b.startTime) || a.pid - b.pid);
    const first = group.find(({ innerPid }) => innerPid === FIRST) ?? oldest;
    if (first) firsts.add(first);
  }
  return firsts;
}

/** Tells which processes are visitors or children of some. Orphans have been adopted, and count as the container's own. */
function visitors(processes: readonly Relative[], firsts: ReadonlySet<Relative>): (process: Relative) => boolean {
  const byPid = new Map(processes.map((one) => [one.pid, one]));
  return (one) => {
    let oldest = one;
    for (let next = byPid.get(one.parent); next; next = byPid.get(next.parent)) {
      if (firsts.has(oldest)) return false;
      oldest = next;
    }
    return !firsts.has(oldest) && oldest.container !== undefined && oldest.parent !== FIRST;
  };
}
