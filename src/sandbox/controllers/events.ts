import type { KubeObject, ObjectMeta, Store } from '../store/types.js';
import { keyOf, timestamp } from './objects.js';

/** Writes core/v1 Events about objects; the same event again counts up instead of piling up. */
export interface EventRecorder {
  normal(object: KubeObject, reason: string, message: string): void;
  warning(object: KubeObject, reason: string, message: string): void;
}

const rememberedEvents = 5_000;
const eventLifeMilliseconds = 3_600_000;

/**
 * A recorder that writes as `component`. Events live one hour, as in a real cluster, and at most `rememberedEvents` of one
 * component at a time.
 */
export function createEventRecorder(store: Store, component: string, host?: string): EventRecorder {
  const known = new Map<string, { namespace: string; name: string; at: number }>();

  function record(type: 'Normal' | 'Warning', object: KubeObject, reason: string, message: string): void {
    const identity = [object.kind, object.metadata.uid, type, reason, message].join('\n');
    const seen = known.get(identity);
    known.delete(identity);
    const name = seen === undefined ? create(type, object, reason, message) : repeat(seen);
    if (name !== undefined) {
      known.set(identity, { namespace: eventNamespace(object), name, at: Date.now() });
    }
    forgetOld();
  }

  function create(type: string, object: KubeObject, reason: string, message: string): string | undefined {
    const name = `${object.metadata.name}.${nextSuffix()}`;
    const metadata: Partial<ObjectMeta> = { name, namespace: eventNamespace(object) };
    const now = timestamp();
    try {
      store.create('events', {
        apiVersion: 'v1',
        kind: 'Event',
        metadata,
        involvedObject: {
          apiVersion: object.apiVersion,
          kind: object.kind,
          name: object.metadata.name,
          namespace: object.metadata.namespace,
          uid: object.metadata.uid,
          resourceVersion: object.metadata.resourceVersion,
        },
        type,
        reason,
        message,
        count: 1,
        firstTimestamp: now,
        lastTimestamp: now,
        eventTime: null,
        source: host === undefined ? { component } : { component, host },
        reportingComponent: component,
        reportingInstance: host ?? '',
      });
      return name;
    } catch {
      // A namespace in termination takes no new events; the real recorder drops them too.
      return undefined;
    }
  }

  function repeat(seen: { namespace: string; name: string }): string | undefined {
    try {
      store.update('events', seen.namespace, seen.name, (event) => {
        event.count += 1;
        event.lastTimestamp = timestamp();
      });
      return seen.name;
    } catch {
      return undefined;
    }
  }

  function forgetOld(): void {
    const oldest = Date.now() - eventLifeMilliseconds;
    for (const [identity, event] of known) {
      if (event.at > oldest && known.size <= rememberedEvents) {
        return;
      }
      known.delete(identity);
      if (store.get('events', event.namespace, event.name) !== undefined) {
        store.delete('events', event.namespace, event.name);
      }
    }
  }

  return {
    normal: (object, reason, message) => record('Normal', object, reason, message),
    warning: (object, reason, message) => record('Warning', object, reason, message),
  };
}

let suffix = Date.now() * 1_000;

function nextSuffix(): string {
  suffix += 1;
  return suffix.toString(16);
}

function eventNamespace(object: KubeObject): string {
  return keyOf(object).split('/')[0] || 'default';
}
