import type { KubeObject } from '../store/types.js';

/** Fields of `v1` events and what `events.k8s.io/v1` calls them. */
const RENAMED = {
  involvedObject: 'regarding',
  message: 'note',
  source: 'deprecatedSource',
  firstTimestamp: 'deprecatedFirstTimestamp',
  lastTimestamp: 'deprecatedLastTimestamp',
  count: 'deprecatedCount',
  reportingComponent: 'reportingController',
};

/** A stored `v1` event as `events.k8s.io/v1` shows it. */
export function toGroupedEvent(event: KubeObject): KubeObject {
  return rename(event, 'events.k8s.io/v1', Object.entries(RENAMED));
}

/** An `events.k8s.io/v1` event as it is stored. */
export function toCoreEvent(event: KubeObject): KubeObject {
  const back = Object.entries(RENAMED).map(([core, grouped]): [string, string] => [grouped, core]);
  return rename(event, 'v1', back);
}

function rename(event: KubeObject, apiVersion: string, names: [string, string][]): KubeObject {
  const renamed: KubeObject = { ...event, apiVersion };
  for (const [from, to] of names) {
    if (renamed[from] !== undefined) {
      renamed[to] = renamed[from];
      delete renamed[from];
    }
  }
  return renamed;
}
