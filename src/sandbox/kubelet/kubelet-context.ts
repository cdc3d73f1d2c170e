import type { EventRecorder } from '../controllers/events.js';
import type { AddressPool } from '../network/addresses.js';
import type { Store } from '../store/types.js';
import type { Watchdog } from './watchdog.js';

/** What the kubelets of a sandbox share. */
export interface KubeletContext {
  store: Store;
  recorder: EventRecorder;
  addresses: AddressPool;
  watchdog: Watchdog;
  /** What restart back-off delays are multiplied with. */
  backoffFactor: number;
  /** Where containers without a `workingDir` run. */
  workingDirectory: string;
}
