import type { Injection, InjectionStatus, Target, TargetStatus } from '../api/injection.js';
import type { Client } from '../kubernetes/client.js';
import { difference } from '../kubernetes/difference.js';
import { ApiError } from '../kubernetes/errors.js';
import { injections } from '../kubernetes/resource.js';

/** How a {@link StatusWriter} is made. */
export interface StatusWriterOptions {
  client: Client;
  /** Takes an injection as the API server has it into what is known. */
  upsert(injection: Injection): void;
  /** Told what became of a target, once it is recorded. */
  onChange(injection: Injection, target: Target, now: TargetStatus): void;
}

/** Whether two statuses differ in nothing, only in counters, or in what people and the controller act on. */
export function news(before: InjectionStatus, after: InjectionStatus): 'none' | 'counters' | 'state' {
  if (difference(before, after) === undefined) return 'none';
  return difference(withoutCounters(before), withoutCounters(after)) === undefined ? 'counters' : 'state';
}

function withoutCounters({ targets, ...status }: InjectionStatus): InjectionStatus {
  return { ...status, ...(targets && { targets: targets.map(({ evidence: _evidence, ...target }) => target) }) };
}

/** Writes the status of injections: only what differs, and only over what it was decided on. */
export class StatusWriter {
  readonly #options: StatusWriterOptions;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /**
   * Writes what differs from the status of the injection. False: somebody wrote the injection meanwhile, it is known
   * anew and has to be decided on again.
   * @throws ApiError or TransportError when it can't be told whether it was written
   */
  async write(injection: Injection, status: InjectionStatus): Promise<boolean> {
    const { client, upsert } = this.#options;
    const { namespace, name = '', resourceVersion } = injection.metadata;
    const patch = difference(injection.status ?? {}, status);
    try {
      const call = { priority: 'high' as const, timeoutMs: 10_000 };
      upsert(await client.patchStatus<Injection>(injections, namespace, name, patch, resourceVersion, call));
    } catch (error) {
      if (!(error instanceof ApiError && error.isConflict)) throw error;
      upsert(await client.get<Injection>(injections, namespace, name, { priority: 'high' }));
      return false;
    }
    this.#tell(injection, status);
    return true;
  }

  #tell(injection: Injection, status: InjectionStatus): void {
    const before = new Map(injection.status?.targets?.map(({ uid, state }) => [uid, state]));
    const targets = new Map(injection.spec.targets.map((target) => [target.uid, target]));
    for (const now of status.targets ?? []) {
      const target = targets.get(now.uid);
      if (target && before.get(now.uid) !== now.state) this.#options.onChange(injection, target, now);
    }
  }
}
