import { setTimeout as sleep } from 'node:timers/promises';
import type { Pause, ProcessMatch } from '../../faults/step.js';
import { type Handler, RefusedError } from '../handler.js';
import type { Place } from '../place.js';
import { listed, matching, type Relative, relatives, required } from './choice.js';
import type { PauseGuard } from './guard.js';
import { type KnownProcess, ProcessTable, within } from './process-table.js';

/** What is written down before anything is stopped. */
export interface PauseUndo {
  id: string;
  match: ProcessMatch;
  /** Those that ran, and are going to be stopped. */
  processes: KnownProcess[];
  /** Those that were stopped before, and stay so. */
  stoppedBefore: KnownProcess[];
  /** Ticks since boot; what started later is stopped too, and so was stopped by us. */
  since: number;
}

/** The processes that are meant, as they are at present. */
interface Found {
  /** Those that are stopped by us. */
  stopped: Relative[];
  /** Those that run and are to be stopped. */
  running: Relative[];
  /** Those that run though the undo record holds that they were stopped, or does not know them. */
  unknown: Relative[];
}

/** Processes that start new ones faster than they can be stopped, or wait for a disk, are given up on after this long. */
const STOPPING_MILLISECONDS = 10_000;
/** About as long as a process takes to see a signal. */
const SIGNAL_MILLISECONDS = 5;
const RESUMING_MILLISECONDS = 5_000;

/**
 * Keeps processes of the target stopped. Whoever is going to be stopped is known to the guard before, so that a pause
 * ends also when the agent does not live to end it.
 *
 * @param guard the one guard of this agent
 * @param procRoot a procfs of the node's own PID namespace, which the agent has to run in
 */
export function pauseHandler(guard: PauseGuard, { procRoot = '/proc' } = {}): Handler<Pause, PauseUndo> {
  const table = new ProcessTable(procRoot);
  return {
    async prepare({ processes: match }, place, id) {
      // Before the look: what starts while it is taken is not missed.
      const since = table.now();
      const meant = required(await relatives(place, table), match);
      const stoppedBefore = meant.filter((one) => table.isStopped(one));
      if (stoppedBefore.some((one) => guard.isHeldByAnother(id, one))) {
        throw new RefusedError('another fault keeps some of the processes paused already');
      }
      const processes = meant.filter((one) => !stoppedBefore.includes(one));
      if (processes.length === 0) {
        throw new RefusedError(`the processes are stopped already, though not by Squall: ${listed(stoppedBefore)}`);
      }
      return { id, match, processes: processes.map(known), stoppedBefore: stoppedBefore.map(known), since };
    },

    async apply(undo, place) {
      const until = performance.now() + STOPPING_MILLISECONDS;
      // What is not stopped yet may start others meanwhile.
      for (let found = await find(undo, place, table); ; found = await find(undo, place, table)) {
        if (found.unknown.length > 0) {
          throw new Error(`other processes are to be paused than before: ${listed(found.unknown)}`);
        }
        if (found.running.length === 0) return;
        if (performance.now() > until) {
          throw new RefusedError(
            `${STOPPING_MILLISECONDS / 1000} s are too short to stop them all: ${listed(found.running)}`,
          );
        }
        await guard.hold(undo.id, [...found.stopped, ...found.running].map(known));
        for (const one of found.running) table.send(one, 'SIGSTOP');
        await sleep(SIGNAL_MILLISECONDS);
      }
    },

    async hold(undo, place) {
      const { stopped, running, unknown } = await find(undo, place, table);
      await guard.hold(undo.id, stopped.map(known));
      const loose = [...running, ...unknown];
      return {
        // Without any process, such as until the kubelet starts a container again, nothing runs that should not.
        ...(loose.length > 0 && { drift: `${loose.length} of the processes run: ${listed(loose)}` }),
        evidence: { processes: stopped.length },
        effective: stopped.length > 0 && loose.length === 0,
      };
    },

    async revert(undo, place) {
      const { stopped, running } = await find(undo, place, table);
      const all = [...undo.processes, ...guard.processesOf(undo.id), ...stopped, ...running];
      const halted = () => all.filter((one) => table.isStopping(one));
      for (const one of all) table.resume(one);
      if (!(await within(RESUMING_MILLISECONDS, () => halted().length === 0))) {
        const pids = [...new Set(halted().map(({ pid }) => pid))];
        throw new Error(`still stopped after SIGCONT: processes ${pids.join(', ')} of the node`);
      }
      await guard.release(undo.id);
      return { processes: stopped.length };
    },
  };
}

/** Looks at the processes that are meant at present. */
async function find(undo: PauseUndo, place: Place, table: ProcessTable): Promise<Found> {
  const recorded = keysOf(undo.processes);
  const before = keysOf(undo.stoppedBefore);
  const isOurs = (one: Relative) =>
    recorded.has(keyOf(one)) || (Number(one.startTime) >= undo.since && !before.has(keyOf(one)));
  const living = matching(await relatives(place, table), undo.match).filter((one) => table.look(one));
  const stopped = living.filter((one) => table.isStopped(one));
  const others = living.filter((one) => !stopped.includes(one));
  return {
    stopped: stopped.filter(isOurs),
    running: others.filter(isOurs),
    unknown: others.filter((one) => !isOurs(one)),
  };
}

function known({ pid, startTime }: KnownProcess): KnownProcess {
  return { pid, startTime };
}

function keyOf({ pid, startTime }: KnownProcess): string {
  return `${pid} ${startTime}`;
}

function keysOf(processes: readonly KnownProcess[]): Set<string> {
  return new Set(processes.map(keyOf));
}
