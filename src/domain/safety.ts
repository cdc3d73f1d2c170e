import type { Step } from '../api/experiment.js';
import { type Injection, isCertainlyOff } from '../api/injection.js';
import { FINALIZER } from '../api/labels.js';
import { digestOf } from './draw.js';
import { admitsLeftovers, type Effect, holds, type Invariant, justFinished, type World } from './world.js';

function everyEffect(world: World, kind: Effect['kind'], broken: (effect: Effect) => string | undefined) {
  for (const effect of world.effects) {
    const why = effect.kind === kind ? broken(effect) : undefined;
    if (why) return `${effect.kind} of ${effect.injection} on ${effect.uid}: ${why}`;
  }
  return undefined;
}

/** What must be true of everything that is done to a pod. */
export const effects: readonly Invariant[] = [
  {
    id: 'S1a',
    says: 'no effect without an intent that was durable before it',
    broken: (world) =>
      everyEffect(world, 'apply', ({ stored: { state, intent } }) => {
        if (state === undefined && world.tampered) return undefined;
        const isDurable = (state === 'Apply' || state === 'Revert') && intent === 'Applying';
        return isDurable ? undefined : `the injection was ${state}, the target ${intent}`;
      }),
  },
  {
    id: 'S1b',
    says: 'no effect before the draw and the baseline are recorded',
    broken: (world) =>
      everyEffect(world, 'apply', ({ stored: { run } }) =>
        run && !(holds(run.status, 'TargetsSelected') && holds(run.status, 'BaselineHeld'))
          ? 'not recorded'
          : undefined,
      ),
  },
  {
    id: 'S1c',
    says: 'the finalizer is there as long as anything may be injected',
    broken: ({ run, runExists, injections }) =>
      runExists && !run.status?.finishTime && injections.length > 0 && !run.metadata.finalizers?.includes(FINALIZER)
        ? `${injections.length} injections without it`
        : undefined,
  },
  {
    id: 'S1d',
    says: 'the recorded draw is what the injections hold',
    broken: ({ change, injections, tampered }) => {
      if (tampered || change.kind !== 'run' || holds(change.before?.status, 'TargetsSelected')) return undefined;
      if (!change.after || !holds(change.after.status, 'TargetsSelected')) return undefined;
      if (change.after.status?.seed === undefined) return 'no seed';
      const wrong = change.after.status.selection?.find(
        ({ step, digest }) => digest !== digestOf(drawn(injections, step)),
      );
      return wrong && `step ${wrong.step}`;
    },
  },
  {
    id: 'S1f',
    says: 'nothing is changed through the API server before what was there is recorded',
    broken: (world) =>
      everyEffect(world, 'apply', ({ step, stored: { undo, state } }) => {
        const isLost = state === undefined && world.tampered;
        return world.oneShot[step] || world.byAgent[step] || isLost || undo !== undefined ? undefined : 'nothing was';
      }),
  },
  {
    id: 'S2a',
    says: 'no effect after the run has finished',
    broken: (world) =>
      everyEffect(world, 'apply', ({ stored: { run } }) =>
        run?.status?.finishTime && !admitsLeftovers(run) ? 'it was over' : undefined,
      ),
  },
  {
    id: 'S4a',
    says: 'what is protected or on its way out is not hit',
    broken: (world) =>
      everyEffect(world, 'apply', ({ uid, fresh, seen }) => {
        if (!fresh || world.uncertain.has(uid)) return undefined;
        return seen.protected || seen.terminating ? JSON.stringify(seen) : undefined;
      }),
  },
  {
    id: 'S7a',
    says: 'nothing is hit once a halt, an abort or a deletion is visible',
    broken: (world) => everyEffect(world, 'apply', ({ seen }) => (seen.stop ? 'it was visible' : undefined)),
  },
];

function drawn(injections: readonly Injection[], step: string): string[] {
  return injections.filter(({ spec }) => spec.step === step).flatMap(({ spec }) => spec.targets.map(({ uid }) => uid));
}

function hit(world: World, of: (effect: Effect) => boolean): number {
  return new Set(world.effects.filter((each) => each.kind === 'apply' && of(each)).map(({ uid }) => uid)).size;
}

function isRepeating(step: Step): boolean {
  return Object.values(step).some((field) => typeof field === 'object' && 'repeatEvery' in field);
}

/** How many a step asks for, of so many candidates. */
function asked({ targets: { count, percent } }: Step, candidates: number): number {
  const share = percent === undefined ? (count ?? 1) : (candidates * percent) / 100;
  return Math.min(candidates, Math.max(1, Math.floor(share)));
}

function overBudget(world: World, step: Step): string | undefined {
  // Pods that went away make room for others; S3e says how many it may be on at once.
  if (step.targets.follow) return undefined;
  const candidates = world.run.status?.selection?.find((each) => each.step === step.name)?.candidates ?? 0;
  if (!isRepeating(step)) {
    const all = hit(world, (effect) => effect.step === step.name);
    const budget = asked(step, candidates);
    return all > budget ? `step ${step.name} hit ${all} of ${budget}` : undefined;
  }
  if (step.targets.percent !== undefined) return undefined;
  const budget = step.targets.count ?? 1;
  const rounds = new Set(world.effects.filter((effect) => effect.step === step.name).map(({ round }) => round));
  const over = [...rounds].find((round) => hit(world, (e) => e.step === step.name && e.round === round) > budget);
  return over === undefined ? undefined : `round ${over} of step ${step.name} is over ${budget}`;
}

/** How many may be hit. */
export const budgets: readonly Invariant[] = [
  {
    id: 'S3a',
    says: "the run's budget is kept",
    broken: (world) => {
      const limit = world.run.spec.template.safeguards?.maxTargets ?? Number.POSITIVE_INFINITY;
      const all = hit(world, () => true);
      return all > limit ? `${all} of ${limit}` : undefined;
    },
  },
  {
    id: 'S3b',
    says: "every step's budget is kept",
    broken: (world) => world.run.spec.template.method.map((step) => overBudget(world, step)).find(Boolean),
  },
  {
    id: 'S3f',
    says: 'the budget of a policy is kept beside what other runs hold',
    broken: (world) => {
      const { room, run, active, tampered } = world;
      if (room === undefined || tampered) return undefined;
      const over = new Set(run.status?.steps?.flatMap(({ name, state }) => (state === 'Done' ? [name] : [])));
      const lasting = active.map(({ uid }) => uid);
      const lost = world.effects.filter(({ kind, step }) => kind === 'apply' && world.oneShot[step] && !over.has(step));
      const on = new Set([...lasting, ...lost.map(({ uid }) => uid)]).size;
      return on > room ? `${on} of ${room}` : undefined;
    },
  },
  {
    id: 'S3c',
    says: 'no more are chosen than asked for',
    broken: ({ run }) => {
      const wrong = run.status?.selection?.find(({ step, candidates, chosen }) => {
        const found = run.spec.template.method.find(({ name }) => name === step);
        return !found || chosen > asked(found, candidates);
      });
      return wrong && JSON.stringify(wrong);
    },
  },
  {
    id: 'S3d',
    says: 'rounds are recorded one by one',
    broken: ({ change }) => {
      if (change.kind !== 'run') return undefined;
      const before = change.before?.status?.steps ?? [];
      const doubled = change.after?.status?.steps?.find(
        ({ name, rounds }) => rounds > Math.max(1, before.find((each) => each.name === name)?.rounds ?? 0) + 1,
      );
      return doubled && `step ${doubled.name}`;
    },
  },
];

function isSettled({ spec, status }: Injection, oneShot: boolean): boolean {
  const states = new Map(status?.targets?.map(({ uid, state }) => [uid, state]));
  return spec.targets.every(({ uid }) => {
    const state = states.get(uid);
    if (oneShot) return state !== undefined && state !== 'Applying';
    return isCertainlyOff(state);
  });
}

function unsettled({ injections, oneShot }: World): Injection[] {
  return injections.filter((injection) => !isSettled(injection, oneShot[injection.spec.step] ?? false));
}

/** How everything ends. */
export const endings: readonly Invariant[] = [
  {
    id: 'S2b',
    says: 'what is said to be reverted is',
    broken: (world) => {
      const { change, active } = world;
      if (change.kind !== 'run' || holds(change.before?.status, 'Reverted')) return undefined;
      if (!change.after || !holds(change.after.status, 'Reverted')) return undefined;
      if (active.length > 0) return `${active.length} faults are on`;
      const [open] = unsettled(world);
      return open && `${open.metadata.name} is open`;
    },
  },
  {
    id: 'S2c',
    says: 'a finished run leaves nothing behind, or says so',
    broken: ({ run, active }) =>
      run.status?.finishTime && active.length > 0 && !admitsLeftovers(run)
        ? `${active.length} faults are on`
        : undefined,
  },
  {
    id: 'S2d',
    says: 'faults are taken back in reverse order',
    broken: (world) => {
      const { change, run } = world;
      if (change.kind !== 'injection' || !change.bySquall || change.after?.spec.state !== 'Revert') return undefined;
      if (change.before?.spec.state === 'Revert' || run.status?.finishTime || !world.runExists) return undefined;
      if (!run.status?.conditions?.some(({ type }) => type === 'Reverted')) return undefined;
      const place = (name: string) => run.spec.template.method.findIndex((step) => step.name === name);
      const later = unsettled(world).find(({ spec }) => place(spec.step) > place(change.after?.spec.step ?? ''));
      return later && `${later.metadata.name} is still open`;
    },
  },
  {
    id: 'S2e',
    says: 'an injection is kept until it is settled',
    broken: ({ change, run, oneShot }) => {
      if (change.kind !== 'injection' || !change.bySquall || !change.before || change.after) return undefined;
      const { before } = change;
      // A draw that was not recorded is drawn anew; nothing of it was ever wanted.
      if (before.spec.state === 'Pending' && !run.status?.finishTime) return undefined;
      return isSettled(before, oneShot[before.spec.step] ?? false) ? undefined : before.metadata.name;
    },
  },
  {
    id: 'S6a',
    says: 'what is said to be effective is',
    broken: ({ injections, alive, oneShot, byAgent }) => {
      const own = injections.filter(({ spec }) => oneShot[spec.step] && !byAgent[spec.step]);
      const open = own.flatMap(({ status }) => status?.targets ?? []);
      return open.find(({ uid, state }) => state === 'Effective' && alive.has(uid))?.uid;
    },
  },
  {
    id: 'S6b',
    says: 'as many hits are told as there were',
    broken: (world) => {
      const status = justFinished(world);
      if (!status || world.tampered || admitsLeftovers(world.run)) return undefined;
      const wrong = status.steps?.find((step) => {
        // What an agent that died was about to hit counts as hit.
        if (!world.oneShot[step.name] || world.byAgent[step.name]) return false;
        const really = hit(world, (effect) => effect.step === step.name);
        return step.hit < really || step.hit > really + world.uncertain.size;
      });
      return wrong && JSON.stringify(wrong);
    },
  },
];
