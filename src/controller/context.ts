import type { Logger } from 'pino';
import type { Client } from '../kubernetes/client.js';
import type { EventRecorder } from '../kubernetes/events.js';
import type { Caches } from './caches.js';
import type { RunTargets } from './candidates/run-targets.js';
import type { NodeWatch } from './node-watch.js';
import type { Prober } from './prober.js';
import type { RunRecords } from './run-records.js';
import type { Ledger } from './safeguards/ledger.js';
import type { SidecarImage } from './sidecars/container.js';

import type { Surveyor } from './surveyor.js';

/** This process may not act any more: another one may lead. */
export class NotLeadingError extends Error {
  override readonly name = 'NotLeadingError';
}

/** The run is taken back, or nothing may be hit any more: a fault that was about to be applied is not. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
}

/** What the reconcilers share. */
export interface Context {
  /** Writes only while this process leads; they throw a NotLeadingError otherwise. */
  client: Client;
  /** Squall's own namespace. */
  namespace: string;
  caches: Caches;
  targets: RunTargets;
  surveyor: Surveyor;
  ledger: Ledger;
  nodes: NodeWatch;
  prober: Prober;
  events: EventRecorder;
  records: RunRecords;
  log: Logger;
  /** What sidecars run from; undefined: there can be none. */
  sidecars: SidecarImage | undefined;
}

/** The kinds of keys in the work queue. */
export type KeyKind = 'run' | 'injection' | 'experiment';

/** A key of the work queue; `name` is `namespace/name`. */
export function queueKey(kind: KeyKind, name: string): string {
  return `${kind}|${name}`;
}
