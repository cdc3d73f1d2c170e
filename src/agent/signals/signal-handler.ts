import type { Evidence } from '../../api/injection.js';
import type { Signal } from '../../faults/step.js';
import { type Handler, RefusedError } from '../handler.js';
import { type Relative, relatives, required } from './choice.js';
import { type KnownProcess, ProcessTable, within } from './process-table.js';

/** What is written down before a signal is sent. There is nothing to take back, but a second time nobody else is hit. */
export interface SignalUndo {
  signal: NodeJS.Signals;
  processes: KnownProcess[];
}

/** Signals that are sent to end a process. */
const deadly: readonly string[] = ['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGABRT'];
/** How long that may take. */
const PATIENCE_MILLISECONDS = 10_000;

/**
 * Sends a signal to processes of the target.
 *
 * SIGKILL is sent again when an agent that died may have sent it already: it can't do more to a process than end it.
 * Every other signal is sent at most once, since a second one can mean something else to a program, such as to stop at
 * once, or to reload once more. When an agent dies between the undo record and the signal it is therefore not sent at
 * all; then nothing shows that it took effect, and nothing claims so.
 *
 * @param options `procRoot`: a procfs of the node's own PID namespace, which the agent has to run in; `patience`: for how
 * many milliseconds processes may live on after a signal that should end them
 */
export function signalHandler({
  procRoot = '/proc',
  patience = PATIENCE_MILLISECONDS,
} = {}): Handler<Signal, SignalUndo> {
  const table = new ProcessTable(procRoot);
  /** What this process has prepared and not begun to send. */
  const unsent = new WeakSet<SignalUndo>();
  /** How many processes this process has signalled. */
  const delivered = new WeakMap<SignalUndo, number>();

  return {
    async prepare({ signal, processes }, place) {
      const meant = required(await relatives(place, table), processes);
      refuseDeaf(table, meant, signal as NodeJS.Signals);
      const undo = {
        signal: signal as NodeJS.Signals,
        processes: meant.map(({ pid, startTime }) => ({ pid, startTime })),
      };
      unsent.add(undo);
      return undo;
    },

    async apply(undo) {
      const isFirst = unsent.delete(undo);
      if (!isFirst && undo.signal !== 'SIGKILL') return;
      const count = undo.processes.filter((known) => table.send(known, undo.signal)).length;
      if (isFirst && count === 0)
        throw new RefusedError('the processes ended by themselves before they were signalled');
      if (deadly.includes(undo.signal)) await within(patience, () => left(table, undo) === 0);
      // Those that are gone when SIGKILL is sent again have got it.
      delivered.set(undo, isFirst ? count : undo.processes.length - left(table, undo));
    },

    async hold(undo) {
      const count = delivered.get(undo);
      const hasEnded = !deadly.includes(undo.signal) || left(table, undo) === 0;
      return { evidence: evidenceOf(count), effective: count !== undefined && hasEnded };
    },

    async revert(undo) {
      return evidenceOf(delivered.get(undo));
    },
  };
}

/** How many of the processes live. */
function left(table: ProcessTable, { processes }: SignalUndo): number {
  return processes.filter((known) => table.look(known) !== undefined).length;
}

function evidenceOf(count: number | undefined): Evidence {
  return count === undefined ? {} : { processes: count };
}

/** @throws RefusedError when the signal would do nothing to one of the processes */
function refuseDeaf(table: ProcessTable, processes: readonly Relative[], signal: NodeJS.Signals): void {
  for (const one of processes) {
    const deafness = table.deafness(one, signal);
    if (deafness === undefined) continue;
    const which = `process ${one.innerPid} of container '${one.container}' (${one.name})`;
    const why = deafness === 'ignores it' ? '' : ', and to the first process of a container the kernel then drops it';
    throw new RefusedError(
      `${signal} would do nothing: ${which} ${deafness}${why}; use SIGKILL, or leave that process out by \`containers\` or \`pattern\``,
    );
  }
}
