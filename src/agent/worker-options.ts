import type { Logger } from 'pino';
import type { Injection, Target, TargetStatus } from '../api/injection.js';
import type { Client } from '../kubernetes/client.js';
import type { Timing } from '../kubernetes/timing.js';
import type { HoldTimes } from './holder.js';
import type { RunProgram } from './place.js';
import type { Tools } from './tools.js';

/** What a worker needs. */
export interface WorkerOptions {
  client: Client;
  /** Squall's own namespace. */
  namespace: string;
  /** An injection of this node as it is known now, by its key. */
  known(key: string): Injection | undefined;
  /** Takes the answer to a write into what is known. */
  upsert(injection: Injection): void;
  /** Whether all injections of this node are known. */
  isSynced(): boolean;
  /** Has an injection looked at, now or in so many milliseconds. */
  wake(key: string, milliseconds?: number): void;
  /** Whether something may be put on. */
  isAlive(): Promise<boolean>;
  /** Told when something may be on from now on. */
  onIntent(): void;
  /** Told what became of a target, once it is recorded. */
  onChange(injection: Injection, target: Target, now: TargetStatus): void;
  tools: Tools;
  run: RunProgram;
  holds: HoldTimes;
  timing: Timing;
  log: Logger;
}
