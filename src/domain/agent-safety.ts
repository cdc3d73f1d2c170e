import type { Injection, TargetStatus } from '../api/injection.js';
import { admitsLeftovers, type Invariant, justFinished, type World } from './world.js';

/** An agent notices within this time that a fault has vanished. */
const DRIFT_MILLISECONDS = 5_000;

/** Targets of which an agent has just written that the fault is on. */
function newlyOn({ change }: World): { injection: Injection; target: TargetStatus }[] {
  if (change.kind !== 'injection' || !change.after?.spec.agent) return [];
  const { before, after: injection } = change;
  const isOn = (target: TargetStatus | undefined) => target?.state === 'Confirmed' || target?.state === 'Effective';
  const known = new Map(before?.status?.targets?.map((target) => [target.uid, target]));
  const targets = injection.status?.targets ?? [];
  return targets
    .filter((target) => isOn(target) && !isOn(known.get(target.uid)))
    .map((target) => ({ injection, target }));
}

/** What must be true of faults that agents carry out. */
export const agentSafety: readonly Invariant[] = [
  {
    id: 'S2j',
    says: 'nothing was touched when a target can not carry the fault',
    broken: (world) => {
      const status = justFinished(world);
      const isRefused = status?.findings?.some(({ reason }) => reason === 'NotSupported');
      return isRefused && world.effects.length > 0 ? `${world.effects.length} effects` : undefined;
    },
  },
  {
    id: 'S3e',
    says: 'of the pods that stay, a fault is never on more at once than were drawn',
    broken: ({ run, active, leaving }) => {
      const over = run.status?.selection?.find(({ step, chosen }) => {
        return (
          new Set(active.filter((each) => each.step === step && !leaving.has(each.uid)).map(({ uid }) => uid)).size >
          chosen
        );
      });
      return over && `step ${over.step}: more than ${over.chosen}`;
    },
  },
  {
    id: 'S4b',
    says: 'no agent is asked to reach into what no agent reaches',
    broken: ({ effects, byAgent }) => effects.find(({ step, unreachable }) => byAgent[step] && unreachable)?.uid,
  },
  {
    id: 'S6d',
    says: 'no agent says that a fault is on when it is not',
    broken: (world) => {
      const on = new Set(world.active.map(({ injection, uid }) => `${injection}/${uid}`));
      const wrong = newlyOn(world).find(({ injection, target: { uid } }) => {
        if (world.oneShot[injection.spec.step]) return false;
        const key = `${injection.metadata.name}/${uid}`;
        return !on.has(key) && world.now - (world.lostAt.get(key) ?? Number.NEGATIVE_INFINITY) > DRIFT_MILLISECONDS;
      });
      return wrong && `${wrong.injection.metadata.name} says it of ${wrong.target.uid}`;
    },
  },
  {
    id: 'S6e',
    says: 'no more effects are told than agents have seen',
    broken: (world) => {
      const status = justFinished(world);
      if (!status || admitsLeftovers(world.run)) return undefined;
      const wrong = status.steps?.find(({ name, effective }) => {
        const seen = [...world.bitten].filter((key) => key.startsWith(`${name}/`)).length;
        return world.byAgent[name] && !world.oneShot[name] && effective > seen;
      });
      return wrong && JSON.stringify(wrong);
    },
  },
];
