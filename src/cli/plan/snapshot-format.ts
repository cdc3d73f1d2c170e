import type { API_VERSION } from '../../api/labels.js';
import type { LeftOut } from './contents.js';

/** The kind of the first document of a snapshot. It is never in a cluster. */
export const SNAPSHOT_KIND = 'ClusterSnapshot';
/** The kind of the last one: without it, something is missing. */
export const SNAPSHOT_END = 'ClusterSnapshotEnd';

/** The first document of a snapshot. */
export interface SnapshotHeader {
  apiVersion: typeof API_VERSION;
  kind: typeof SNAPSHOT_KIND;
  /** RFC 3339, in API-server time. */
  takenAt: string;
  serverVersion: string;
  systemNamespace: string;
  /** Undefined: all. */
  namespaces?: string[];
  leftOut: LeftOut[];
}
