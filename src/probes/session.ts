import type { Sample } from '../stats/window.js';
import type { Outcome, Sampler } from './probe.js';

/** A sample that is sent later than this is our error, in milliseconds. */
export const latest = 10;
/** A latency of which we may have caused more than this share, and more than `latest`, is not a measurement. */
const tolerableShare = 0.1;
/** After a longer stop (the process was suspended) the missed samples are not counted one by one. */
const mostMissed = 1_000;

/** How a session is made. */
export interface SessionOptions {
  sampler: Sampler;
  /** Milliseconds between two samples. */
  interval: number;
  /** Milliseconds on the clock of the samples. */
  now(): number;
  /** Milliseconds that this thread has stood still so far. */
  stalled(): number;
  /** Takes the samples, in the order of their intended send times. */
  emit(sample: Sample): void;
}

interface Slot {
  at: number;
  sample?: Sample;
}

/**
 * Takes the samples of one probe at fixed times, whether or not the earlier ones have been answered (an open loop):
 * what a slow system delays is then seen in the latencies, and not hidden by asking less (coordinated omission).
 */
export class Session {
  readonly #options: SessionOptions;
  readonly #slots: Slot[] = [];
  #timer: NodeJS.Timeout | undefined;
  #start = 0;
  #next = 0;
  #stopped = false;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Prepares the sampler and then takes the first sample. */
  async start(): Promise<void> {
    await this.#options.sampler.prepare?.();
    if (this.#stopped) return;
    this.#start = this.#options.now();
    this.#tick();
  }

  /** Takes no more samples, and gives none of those that are still under way. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #intended(index: number): number {
    return this.#start + index * this.#options.interval;
  }

  #tick(): void {
    const now = this.#options.now();
    for (; this.#intended(this.#next) <= now; this.#next += 1) this.#take(this.#intended(this.#next), now);
    this.#timer = setTimeout(() => this.#resume(), Math.max(0, this.#intended(this.#next) - this.#options.now()));
  }

  #resume(): void {
    const missed = Math.floor((this.#options.now() - this.#intended(this.#next)) / this.#options.interval);
    if (missed > mostMissed) this.#next += missed - mostMissed;
    this.#tick();
  }

  #take(at: number, now: number): void {
    const slot: Slot = { at };
    this.#slots.push(slot);
    const late = now - at;
    if (late > latest) {
      // Sent now, it would come in one burst with the others that were missed.
      const detail = `not sent, because it was ${Math.round(late)}ms late`;
      this.#settle(slot, { ok: false, own: true, untried: true, detail });
      return;
    }
    const stalledBefore = this.#options.stalled();
    this.#options.sampler.sample(at).then(
      (outcome) => this.#settle(slot, withoutOurShare(outcome, this.#options.stalled() - stalledBefore)),
      (error: Error) => this.#settle(slot, { ok: false, own: true, detail: error.message }),
    );
  }

  /** Answers come in any order; they are given on in the order of their questions, so that rows of failures are true. */
  #settle(slot: Slot, outcome: Outcome): void {
    slot.sample = { at: slot.at, ...outcome };
    for (let sample = this.#slots[0]?.sample; sample !== undefined; sample = this.#slots[0]?.sample) {
      this.#slots.shift();
      if (!this.#stopped) this.#options.emit(sample);
    }
  }
}

/** The outcome, unless too much of its latency may be that our thread stood still, and did not read the answer. */
function withoutOurShare(outcome: Outcome, stalled: number): Outcome {
  const { latencyMilliseconds } = outcome;
  if (latencyMilliseconds === undefined || stalled <= Math.max(latest, latencyMilliseconds * tolerableShare))
    return outcome;
  return { ok: false, own: true, detail: `not measured, because this thread stood still for ${Math.round(stalled)}ms` };
}
