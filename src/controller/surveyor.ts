import type { ExperimentRun } from '../api/experiment-run.js';
import type { Survey } from '../domain/survey.js';
import { ApiError } from '../kubernetes/errors.js';

/** How soon a look that failed is tried again. */
const RETRY_MILLISECONDS = 1_000;

/** Looks once at rights and safeguards for a run. What it throws makes the look a failed one. */
export type Look = (run: ExperimentRun) => Promise<Omit<Survey, 'at'>>;

/** Keeps for every run what the last look at rights and safeguards has brought, and looks when it is asked to. */
export class Surveyor {
  readonly #surveys = new Map<string, Survey>();
  readonly #refusals = new Map<string, string>();
  readonly #failures = new Map<string, string>();
  readonly #looking = new Set<string>();

  /**
   * @param now API-server time in milliseconds
   * @param onChange gets the UID of a run for which a look has ended
   */
  constructor(
    readonly look: Look,
    readonly now: () => number,
    readonly onChange: (runUid: string) => void,
    readonly onError: (error: unknown) => void,
  ) {}

  survey(runUid: string): Survey | undefined {
    return this.#surveys.get(runUid);
  }

  /** Why nothing can be known for a run: the controller itself may not look. */
  refusal(runUid: string): string | undefined {
    return this.#refusals.get(runUid);
  }

  /** Why the latest look failed; undefined when it did not. */
  failure(runUid: string): string | undefined {
    return this.#failures.get(runUid);
  }

  /** Sees to it that there is a look that began at `from` or later, in API-server time. */
  ensure(run: ExperimentRun, from: number | undefined): void {
    const { uid } = run.metadata;
    const known = this.#surveys.get(uid);
    if (from === undefined || (known && known.at >= from) || this.#looking.has(uid)) return;
    this.#looking.add(uid);
    void this.#take(run);
  }

  stop(runUid: string): void {
    this.#surveys.delete(runUid);
    this.#refusals.delete(runUid);
    this.#failures.delete(runUid);
    this.#looking.delete(runUid);
  }

  stopAll(): void {
    this.#surveys.clear();
    this.#refusals.clear();
    this.#failures.clear();
    this.#looking.clear();
  }

  async #take(run: ExperimentRun): Promise<void> {
    const { uid } = run.metadata;
    const at = this.now();
    let survey: Survey | undefined;
    let failure: unknown;
    try {
      survey = { at, ...(await this.look(run)) };
    } catch (error) {
      failure = error;
      this.onError(error);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MILLISECONDS).unref());
    }
    // Whoever has stopped meanwhile does not want it any more.
    if (!this.#looking.delete(uid)) return;
    if (survey) this.#known(uid, survey);
    else this.#failed(uid, failure);
    this.onChange(uid);
  }

  #known(uid: string, survey: Survey): void {
    this.#surveys.set(uid, survey);
    this.#failures.delete(uid);
  }

  #failed(uid: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#failures.set(uid, message);
    // More looks will not help; the next decision ends the run and says why.
    if (error instanceof ApiError && error.isForbidden) this.#refusals.set(uid, message);
  }
}
