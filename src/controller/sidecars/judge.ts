import type { TargetStatus } from '../../api/injection.js';
import type { FaultSighting, Over } from '../../domain/agent-injection.js';
import type { Outcome } from '../../domain/injection-observed.js';
import type { SidecarReport } from '../../faults/sidecar.js';
import type { Sidecar, SidecarRole, SidecarView } from './container.js';

/** A container that has not started this long after it was asked for puts nothing on any more. Milliseconds. */
export const START_MILLISECONDS = 45_000;
/** A sidecar goes on for this long after its step, whose end is decided elsewhere, and then ends by itself. */
export const EXTRA_MILLISECONDS = 5_000;
/** One that ends by itself this soon is waited for: a container that is added to a pod stays in it for ever. */
export const AWAITED_MILLISECONDS = 12_000;
/** Without a right to logs, one that has run for this long without giving up counts as being on. */
export const SETTLED_MILLISECONDS = 10_000;
/** A node whose status says Ready has been heard of within this time, and its clock is right to some seconds. */
export const HEARD_MILLISECONDS = 55_000;
/** The kernel ends what nobody keeps on, after half a minute; and something for clocks that differ. */
export const GATE_MILLISECONDS = 40_000;
/** So many containers may try to take one fault back. */
const MOST_REVERTS = 3;

/** All that is known of one target that a sidecar carries a fault to. Times in API-server time. */
export interface SidecarFacts {
  before: TargetStatus | undefined;
  /** Whether the fault is wanted back. */
  back: boolean;
  /** What was seen of its containers last; undefined while it has never been read. */
  view: SidecarView | undefined;
  /** Whether the pod is there no more. */
  isGone: boolean;
  /** Whether nothing can have been asked for that `view` does not show. */
  isCertain: boolean;
  /** The last line of the running container's log, if that could be read. */
  said: SidecarReport | undefined;
  /** Whether logs can't be read at all. */
  isMute: boolean;
  /** Whether the node is heard of. */
  isNodeReady: boolean;
  /** For how long it has been wanted back, and been known to be gone, in milliseconds. */
  waited: number;
  /** The latest that anything of it can be on, as far as this process knows; undefined: not known. */
  lastEffect: number | undefined;
  now: number;
}

/** What follows from that. */
export interface SidecarJudgement {
  outcome?: Outcome;
  undone?: Outcome;
  sighting?: FaultSighting;
  over?: Over;
  /** Whether nothing of it is left because its network is not. */
  isGone: boolean;
  isIntended: boolean;
  /** The container that would have to be added to put it on, or to take it back. */
  next?: { role: SidecarRole; fault?: string; isAlone: boolean };
}

/** Judges one target by what its sidecars, and the kubelet about them, have said. */
export function judge(facts: SidecarFacts): SidecarJudgement {
  const { view, isGone, back } = facts;
  const { before, isCertain } = facts;
  const isSeen = (view?.hold.length ?? 0) > 0 || before?.drifts !== undefined;
  // Nothing is asked for before the intent is recorded.
  const isIntended = isSeen || (before !== undefined && !isCertain);
  const known = { isGone: false, isIntended, ...seen(facts) };
  if (isGone || view?.hasEnded) return { ...known, ...afterwards(facts, isIntended) };
  if (!view) return known;
  return { ...known, ...(back ? backward(facts, view) : forward(facts, view)) };
}

/** What its container said last: in the end, or else in its log. */
function lastOf({ view, said }: SidecarFacts): SidecarReport | undefined {
  return view?.hold.at(-1)?.report ?? said;
}

function seen(facts: SidecarFacts): Pick<SidecarJudgement, 'sighting'> {
  const report = lastOf(facts);
  const after = facts.view?.revert.find((one) => one.report?.evidence.packets !== undefined)?.report;
  if (!report && !after) return {};
  const { evidence = {} } = after ?? report ?? {};
  return { sighting: { evidence, effective: report?.effective === true || after?.effective === true } };
}

/** The pod is gone, or all of its containers are. */
function afterwards(
  { view, isGone, lastEffect, now }: SidecarFacts,
  isIntended: boolean,
): Pick<SidecarJudgement, 'isGone' | 'over'> {
  // Nobody removes a pod's sandbox before its containers have ended; and with it goes its network.
  if (!isIntended || view?.hasEnded || isTakenBack(view)) return { isGone: true };
  if (!isGone || lastEffect === undefined || now < lastEffect + GATE_MILLISECONDS) return { isGone: false };
  const message = 'the pod is gone, and the time of its sidecar is over';
  return { isGone: false, over: { state: 'Reverted', message } };
}

/** Whether the newest container that held it, or one that took it back, has proven that nothing is left. */
function isTakenBack(view: SidecarView | undefined): boolean {
  const last = view?.hold.at(-1);
  return (last !== undefined && isClean(last)) || view?.revert.some(isClean) === true;
}

function isClean({ report }: Sidecar): boolean {
  return report?.end !== undefined && report.end !== 'Failed';
}

function forward(facts: SidecarFacts, view: SidecarView): Partial<SidecarJudgement> {
  return facts.before?.state === 'Applying' ? applying(facts, view) : held(facts, view);
}

function applying(facts: SidecarFacts, { hold, isTerminating }: SidecarView): Partial<SidecarJudgement> {
  const { before, now } = facts;
  const current = hold.at(-1);
  const add = { next: { role: 'hold', isAlone: false } as const };
  if (!current) return isTerminating ? { outcome: { result: 'gone' } } : add;
  switch (current.state) {
    case 'Waiting': {
      if (now <= current.startBy) return {};
      const seconds = START_MILLISECONDS / 1000;
      return refused(`its container has not started within ${seconds} s: ${current.words}`);
    }
    case 'Running': {
      const isOn = facts.said !== undefined || (facts.isMute && now - current.startedAt > SETTLED_MILLISECONDS);
      return isOn ? { outcome: { result: 'done' } } : {};
    }
    case 'Ended':
      if (current.report) return ended(current.report);
      if (before?.drifts !== undefined) return add;
      return refused(`its container died before the fault was on: ${current.words}`);
  }
}

function ended({ end, message = '' }: SidecarReport): Partial<SidecarJudgement> {
  return end === 'Over' || end === 'Stopped' ? { outcome: { result: 'done' } } : refused(message);
}

function refused(message: string): { outcome: Outcome } {
  return { outcome: { result: 'refused', message } };
}

function held(facts: SidecarFacts, view: SidecarView): Partial<SidecarJudgement> {
  const current = view.hold.at(-1);
  const drifted = (drift: string): Partial<SidecarJudgement> => {
    const { evidence = {}, effective = false } = lastOf(facts) ?? {};
    return { sighting: { drift, evidence, effective } };
  };
  if (!current) return drifted('the pod has no container of ours');
  if (current.state === 'Waiting') return {};
  const { report, words } = current;
  if (current.state === 'Running') {
    const { drifts = 0, message = 'it vanished' } = facts.said ?? {};
    return drifts > (facts.before?.drifts ?? 0) ? drifted(message) : {};
  }
  if (!report) return drifted(`its sidecar died: ${words}`);
  const { end, message = '' } = report;
  if (end === 'Over') return { over: { state: 'Reverted', message: 'the time of its sidecar was over' } };
  if (end === 'Stopped' && view.isTerminating) return { isGone: true };
  return drifted(message);
}

function backward(facts: SidecarFacts, view: SidecarView): Partial<SidecarJudgement> {
  const current = view.hold.at(-1);
  if (!current) {
    const message = 'the fault was taken back first';
    return facts.isCertain ? { over: { state: 'Missed', message } } : {};
  }
  const second = view.revert.at(-1);
  // What the two tell each other by is taken away by the second, and last.
  const isProven = second ? isClean(second) : isClean(current);
  if (isProven) return { over: proven(view, current) };
  if (second && second.state !== 'Ended') return {};
  switch (current.state) {
    case 'Waiting':
      return neverStarted(facts, current);
    case 'Running':
      return view.isTerminating || endsSoon(facts, current) ? {} : takeBack(view, current, false);
    case 'Ended': {
      const message = 'the network of the pod was made anew';
      return isAnew(view, current) ? { over: { state: 'Reverted', message } } : takeBack(view, current, true);
    }
  }
}

/** A pod whose sandbox was made anew has other addresses as a rule; nothing is left in the network it had. */
function isAnew({ podIPs }: SidecarView, { podIPs: ordered }: Sidecar): boolean {
  return podIPs.length > 0 && ordered.length > 0 && !podIPs.some((address) => ordered.includes(address));
}

function proven({ hold, revert }: SidecarView, { report }: Sidecar): Over {
  const neverOn = report?.end === 'Refused' && hold.length === 1 && revert.length === 0;
  const message = report?.message ?? 'another sidecar took it back';
  return { state: neverOn ? 'Missed' : 'Reverted', message };
}

/** It puts nothing on any more if it ever starts, once the kubelet says that it has not started in time. */
function neverStarted({ now, isNodeReady }: SidecarFacts, { startBy, words }: Sidecar): Partial<SidecarJudgement> {
  if (now < startBy + HEARD_MILLISECONDS || !isNodeReady) return {};
  return { over: { state: 'Missed', message: `its container never started: ${words}` } };
}

function endsSoon({ now, waited }: SidecarFacts, { startedAt, milliseconds }: Sidecar): boolean {
  return startedAt + milliseconds - now < AWAITED_MILLISECONDS && waited < AWAITED_MILLISECONDS;
}

function takeBack({ revert }: SidecarView, { fault }: Sidecar, isAlone: boolean): Partial<SidecarJudgement> {
  const last = revert.at(-1);
  if (revert.length < MOST_REVERTS) return { next: { role: 'revert', fault, isAlone } };
  const words = last?.report?.message ?? last?.words;
  return { undone: { result: 'refused', message: `${revert.length} sidecars could not take it back: ${words}` } };
}
