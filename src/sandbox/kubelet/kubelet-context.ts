import type { EventRecorder } from '../controllers/events.js';
import type { Isolation } from '../isolation/isolation.js';
import type { Store } from '../store/types.js';

/** What the kubelets of a sandbox share. */
export interface KubeletContext {
  store: Store;
  recorder: EventRecorder;
  isolation: Isolation;
  /** What restart back-off delays are multiplied with. */
  backoffFactor: number;
  /** Where containers without a `workingDir` run. */
  workingDirectory: string;
}
