import { createHash } from 'node:crypto';
import type { Experiment } from '../../api/experiment.js';
import { ANNOTATION_RUN_NOW } from '../../api/labels.js';
import { makeRoom } from './room.js';
import type { ScheduleDraft } from './schedule-draft.js';

/** What is recorded of a value at most; of a longer one its digest. */
const MAX_VALUE = 256;

/** A run that the annotation asks for and that is not recorded as started. */
export interface Wish {
  /** What is recorded of the value. */
  key: string;
  /** The name of the run, the same for the same value. */
  name: string;
  /** The value for people. */
  value: string;
}

/** The run that the annotation squall.dev/run-now asks for, unless it was started already. */
export function wishOf({ metadata, status }: Experiment): Wish | undefined {
  const value = metadata.annotations?.[ANNOTATION_RUN_NOW]?.trim();
  if (!value) return undefined;
  const digest = createHash('sha256').update(value).digest('hex');
  const key = value.length > MAX_VALUE ? `sha256:${digest}` : value;
  if (status?.lastRunNow === key) return undefined;
  return { key, name: `${metadata.name}-n${digest.slice(0, 8)}`, value: value.slice(0, 100) };
}

/**
 * Starts the run that the annotation asks for: also of a suspended experiment and of one without a schedule, and whatever
 * its windows, freezes and `startWhen` are, which belong to the schedule. It waits for the end of a halt, and for room.
 */
export function runNow(draft: ScheduleDraft): void {
  draft.removeCondition('RunNowWaiting');
  const wish = wishOf(draft.observed.experiment);
  if (!wish) return;
  if (draft.run(wish.name)) {
    draft.status.lastRunNow = wish.key;
    return;
  }
  const obstacle = obstacleTo(draft, wish);
  if (obstacle) {
    draft.setCondition('RunNowWaiting', 'True', obstacle.reason, `The run for '${wish.value}' waits: ${obstacle.why}`);
    return;
  }
  draft.status.lastRunNow = wish.key;
  if (draft.create({ do: 'create', name: wish.name, trigger: 'RunNow', start: draft.now })) {
    draft.tell('Normal', 'RunStarted', `Started run ${wish.name}, which '${wish.value}' asks for`);
  } else {
    draft.tell('Warning', 'NameTaken', `No run was started for '${wish.value}': there is another ${wish.name}`);
  }
}

function obstacleTo(draft: ScheduleDraft, { name }: Wish): { reason: string; why: string } | undefined {
  const { problems, halts } = draft.observed;
  if (problems.length > 0) return { reason: 'InvalidSpec', why: 'the experiment is not valid' };
  if (halts.length > 0) return { reason: 'Halted', why: `everything is halted by ${halts.join(' and ')}` };
  const room = makeRoom(draft, name);
  if (room.is !== 'free') return { reason: 'RunUnderWay', why: `run ${room.by.name} is still under way` };
  return undefined;
}
