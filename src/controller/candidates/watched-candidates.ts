import type { Candidate } from '../../domain/observed.js';
import type { Client, ListOptions } from '../../kubernetes/client.js';
import { ApiError } from '../../kubernetes/errors.js';
import { Reflector } from '../../kubernetes/reflector.js';
import type { KubeObject, Resource } from '../../kubernetes/resource.js';

/** Keeps the candidates of a step known while a run is active. */
export interface CandidateWatch {
  /** Begins to watch; failures are retried by a later call. Resolves when the candidates are known. */
  start(): Promise<void>;
  /** The candidates now; undefined while they are not known. */
  list(): Candidate[] | undefined;
  /** The same by UID. */
  byUid(): ReadonlyMap<string, Candidate> | undefined;
  /** For nodes: the names of others that could take their pods, as far as they matter; see `spareNodes` of a run. */
  spares?(): readonly string[];
  /** Why they can't be known: the controller may not read them. */
  readonly refusal: string | undefined;
  stop(): Promise<void>;
}

/** Where a watch gets its candidates and whom it tells. */
export interface WatchOptions {
  client: Client;
  /** The namespace of the run. */
  namespace: string;
  /** The node that the controller runs on; undefined: it is not known, as outside of a cluster. */
  ownNode?: string | undefined;
  onChange: () => void;
  onError: (error: unknown) => void;
}

/** How often a watch that broke is looked at again. */
const CHECK_MILLISECONDS = 250;

/** Which objects to watch. */
export type WatchSelection = Pick<ListOptions, 'namespace' | 'labelSelector' | 'fieldSelector'>;

/** The part that watches of all kinds of candidates share; a kind says what to watch in `begin`. */
export abstract class WatchedCandidates<C extends Candidate> implements CandidateWatch {
  readonly #candidates: Reflector<C>[] = [];
  readonly #others: Reflector<unknown>[] = [];
  #byUid: Map<string, C> | undefined;
  #ready = false;
  #stopped = false;
  #check: NodeJS.Timeout | undefined;
  #refusal: string | undefined;

  constructor(readonly options: WatchOptions) {}

  /**
   * Opens the watches with `watchCandidates` and `watchOthers`. What it throws is thrown by `start`, and then it is called
   * again; it opens none before it throws.
   */
  protected abstract begin(): Promise<void>;

  /** Reads what else has to be known, once the candidates are. What it throws is thrown by `start`, and then it is called again. */
  protected async complete(_candidates: readonly C[]): Promise<void> {}

  /** Whether an object that is watched as a candidate is one. */
  protected belongs(_candidate: C): boolean {
    return true;
  }

  /** Begins to watch; failures are retried by a later call. */
  async start(): Promise<void> {
    try {
      if (this.#reflectors().length === 0) await this.begin();
      await Promise.all(this.#reflectors().map(({ synced }) => synced));
      await this.complete(this.#candidatesNow());
    } catch (error) {
      this.#noteRefusal(error);
      throw error;
    }
    this.#ready = true;
    if (!this.#stopped) this.options.onChange();
  }

  /** The same by UID, made once for all that ask between two changes. */
  byUid(): ReadonlyMap<string, C> | undefined {
    const listed = this.list();
    if (!listed || this.#byUid) return listed && this.#byUid;
    this.#byUid = new Map(listed.map((candidate) => [candidate.uid, candidate]));
    return this.#byUid;
  }

  /** The candidates now; undefined while they are not known, also when the API server can't be watched. */
  list(): C[] | undefined {
    if (!this.#ready) return undefined;
    if (!this.#isCurrent()) {
      this.#awaitCurrent();
      return undefined;
    }
    return this.#candidatesNow();
  }

  /** Why they can't be known: the controller may not read them. */
  get refusal(): string | undefined {
    return this.#ready ? undefined : this.#refusal;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#check);
    await Promise.all(this.#reflectors().map((each) => each.stop()));
  }

  /** Watches objects that are candidates. Does nothing once it was stopped. */
  protected watchCandidates(resource: Resource, selection: WatchSelection, project: (object: KubeObject) => C): void {
    const reflector = this.#open(resource, selection, project);
    if (!reflector) return;
    reflector.onChange(() => {
      this.#byUid = undefined;
      if (this.#ready) this.options.onChange();
    });
    this.#candidates.push(reflector);
  }

  /** Watches objects that have to be known to tell what is a candidate. Undefined once it was stopped. */
  protected watchOthers<T>(
    resource: Resource,
    selection: WatchSelection,
    project: (object: KubeObject) => T,
  ): Reflector<T> | undefined {
    const reflector = this.#open(resource, selection, project);
    if (reflector) this.#others.push(reflector as Reflector<unknown>);
    return reflector;
  }

  #candidatesNow(): C[] {
    return this.#candidates.flatMap((reflector) => reflector.list()).filter((candidate) => this.belongs(candidate));
  }

  #open<T>(
    resource: Resource,
    selection: WatchSelection,
    project: (object: KubeObject) => T,
  ): Reflector<T> | undefined {
    if (this.#stopped) return undefined;
    const { client, onError } = this.options;
    const report = (error: unknown) => {
      this.#noteRefusal(error);
      onError(error);
    };
    const reflector = new Reflector({ client, resource, ...selection, project, onError: report });
    reflector.start();
    return reflector;
  }

  #noteRefusal(error: unknown): void {
    if (!(error instanceof ApiError && error.isForbidden)) return;
    this.#refusal = error.message;
    if (!this.#stopped) this.options.onChange();
  }

  #reflectors(): Reflector<unknown>[] {
    return [...(this.#candidates as Reflector<unknown>[]), ...this.#others];
  }

  #isCurrent(): boolean {
    return this.#reflectors().every(({ isCurrent }) => isCurrent);
  }

  /** Tells of the moment when the candidates are known again: a quiet watch does not. */
  #awaitCurrent(): void {
    if (this.#check || this.#stopped) return;
    this.#check = setTimeout(() => {
      this.#check = undefined;
      if (this.#isCurrent()) this.options.onChange();
      else this.#awaitCurrent();
    }, CHECK_MILLISECONDS);
  }
}
