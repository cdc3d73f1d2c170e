import type { Destination } from './connection.js';
import type { Listening } from './proxy.js';

/**
 * The user that proxies run as, and by which nft tells their connections from the target's. No container runs as it:
 * `runAsUser` ends at 2147483647, and nothing else uses what is above (see "UIDs and GIDs on systemd systems").
 */
export const PROXY_UID = 2_500_005_351;

/** How long things go on by themselves. */
export interface Times {
  /**
   * How long nft redirects new connections without being refreshed. It is also how long a proxy waits for a word from its
   * agent before it ends the delay.
   */
  redirectSeconds: number;
  /** How long connections may go on undelayed once the fault is taken back, before they are reset. */
  drainSeconds: number;
}

/** An agent says a word every 4 s. */
export const times: Times = { redirectSeconds: 15, drainSeconds: 10 };

/** What a proxy is started with, as JSON in its last argument. */
export interface ProxySettings extends Times {
  /** The user to run as. */
  uid: number;
  /** What /proc/self/ns/net must link to; it ends at once when it is somewhere else. */
  networkNamespace: string;
  latencyMilliseconds: number;
  jitterMilliseconds: number;
}

/** A line of JSON on the proxy's stdin: what to listen for from now on. */
export interface Request {
  destinations: readonly Destination[];
}

/** A line of JSON on its stdout, one for each request. */
export type Response = { listening: Listening[]; mostConnections: number } | { error: string };
