import { beforeEach, describe, expect, test } from '@jest/globals';
import { createStore, type ServerStore } from './store.js';
import type { StoreEvent } from './types.js';

let store: ServerStore;

function configMap(name: string, extra: object = {}) {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default', ...extra } };
}

function pod(name: string, spec: object = {}) {
  const metadata = { name, namespace: 'default' };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [{ name: 'a', image: 'b' }], ...spec } };
}

function events(resource: string): StoreEvent[] {
  const seen: StoreEvent[] = [];
  store.subscribe(resource, (event) => seen.push(event));
  return seen;
}

beforeEach(() => {
  store = createStore({ now: () => new Date('2026-01-01T00:00:00.900Z'), historyLimit: 10 });
});

describe('creating', () => {
  test('fills in uid, version, whole-second creation time and generation', () => {
    const { metadata } = store.create('pods', pod('a'));
    expect(metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(metadata.resourceVersion).toBe(String(store.version));
    expect(metadata.creationTimestamp).toBe('2026-01-01T00:00:00Z');
    expect(metadata.generation).toBe(1);
  });

  test('makes a name of generateName and five characters', () => {
    const { metadata } = store.create('configmaps', {
      ...configMap(''),
      metadata: { generateName: 'run-', namespace: 'default' },
    });
    expect(metadata.name).toMatch(/^run-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  });

  test('refuses a name that is taken, a namespace that is missing, and one that is terminating', () => {
    store.create('configmaps', configMap('a'));
    expect(() => store.create('configmaps', configMap('a'))).toThrow(
      expect.objectContaining({ code: 409, reason: 'AlreadyExists' }),
    );
    expect(() => store.create('configmaps', configMap('a', { namespace: 'nowhere' }))).toThrow(
      expect.objectContaining({ code: 404, reason: 'NotFound' }),
    );
    store.delete('namespaces', undefined, 'default');
    expect(() => store.create('configmaps', configMap('b'))).toThrow(
      expect.objectContaining({
        code: 403,
        details: expect.objectContaining({ causes: [expect.objectContaining({ reason: 'NamespaceTerminating' })] }),
      }),
    );
  });

  test('commits nothing in a dry run', () => {
    const seen = events('configmaps');
    store.create('configmaps', configMap('a'), { dryRun: true });
    expect(store.get('configmaps', 'default', 'a')).toBeUndefined();
    expect(seen).toEqual([]);
  });
});

describe('updating', () => {
  test('bumps the generation when the spec changes and not when the status does', () => {
    store.create('pods', pod('a'));
    const status = store.update('pods', 'default', 'a', (draft) => {
      draft.status = { phase: 'Running' };
    });
    expect(status.metadata.generation).toBe(1);
    const spec = store.update('pods', 'default', 'a', (draft) => {
      draft.spec.nodeName = 'n1';
    });
    expect(spec.metadata.generation).toBe(2);
  });

  test('does nothing when nothing differs', () => {
    const created = store.create('configmaps', configMap('a'));
    const seen = events('configmaps');
    expect(store.update('configmaps', 'default', 'a', () => {})).toBe(created);
    expect(seen).toEqual([]);
  });

  test('refuses a draft made from another version or another object', () => {
    store.create('configmaps', configMap('a'));
    const change = (metadata: object) => () =>
      store.update('configmaps', 'default', 'a', (draft) => Object.assign(draft.metadata, metadata));
    expect(change({ resourceVersion: '1' })).toThrow(expect.objectContaining({ code: 409, reason: 'Conflict' }));
    expect(change({ uid: 'other' })).toThrow(expect.objectContaining({ code: 409 }));
  });

  test('leaves objects that readers already hold as they were', () => {
    const before = store.create('configmaps', { ...configMap('a'), data: { key: 'old' } });
    store.update('configmaps', 'default', 'a', (draft) => {
      draft.data.key = 'new';
    });
    expect(before.data.key).toBe('old');
  });

  test('removes an object in deletion with its last finalizer', () => {
    store.create('configmaps', configMap('a', { finalizers: ['x/y'] }));
    store.delete('configmaps', 'default', 'a');
    expect(store.get('configmaps', 'default', 'a')?.metadata.deletionTimestamp).toBe('2026-01-01T00:00:00Z');
    const seen = events('configmaps');
    store.update('configmaps', 'default', 'a', (draft) => {
      draft.metadata.finalizers = [];
    });
    expect(store.get('configmaps', 'default', 'a')).toBeUndefined();
    expect(seen.map((event) => event.type)).toEqual(['DELETED']);
  });
});

describe('deleting', () => {
  test('gives a scheduled pod its grace period, which later deletes can shorten and not extend', () => {
    store.create('pods', pod('a', { nodeName: 'n1', terminationGracePeriodSeconds: 20 }));
    const first = store.delete('pods', 'default', 'a');
    expect(first.metadata).toMatchObject({
      deletionTimestamp: '2026-01-01T00:00:20Z',
      deletionGracePeriodSeconds: 20,
    });
    expect(store.delete('pods', 'default', 'a', { gracePeriodSeconds: 60 }).metadata.deletionGracePeriodSeconds).toBe(
      20,
    );
    expect(store.delete('pods', 'default', 'a', { gracePeriodSeconds: 5 }).metadata.deletionGracePeriodSeconds).toBe(5);
    store.delete('pods', 'default', 'a', { gracePeriodSeconds: 0 });
    expect(store.get('pods', 'default', 'a')).toBeUndefined();
  });

  test('removes at once a pod that no node has', () => {
    store.create('pods', pod('a'));
    store.delete('pods', 'default', 'a');
    expect(store.get('pods', 'default', 'a')).toBeUndefined();
  });

  test('respects uid and version preconditions', () => {
    const { metadata } = store.create('configmaps', configMap('a'));
    const remove = (preconditions: object) => () => store.delete('configmaps', 'default', 'a', { preconditions });
    expect(remove({ uid: 'other' })).toThrow(expect.objectContaining({ code: 409, reason: 'Conflict' }));
    expect(remove({ resourceVersion: '1' })).toThrow(expect.objectContaining({ code: 409 }));
    expect(remove({ uid: metadata.uid, resourceVersion: metadata.resourceVersion })).not.toThrow();
  });

  test('leaves the propagation policy to the garbage collector as a finalizer', () => {
    store.create('configmaps', configMap('a'));
    const { metadata } = store.delete('configmaps', 'default', 'a', { propagationPolicy: 'Foreground' });
    expect(metadata.finalizers).toEqual(['foregroundDeletion']);
  });

  test('gives the DELETED event a version of its own', () => {
    const created = store.create('configmaps', configMap('a'));
    const seen = events('configmaps');
    store.delete('configmaps', 'default', 'a');
    expect(Number(seen[0]!.object.metadata.resourceVersion)).toBeGreaterThan(Number(created.metadata.resourceVersion));
  });
});

describe('history', () => {
  test('replays what came after a version, and says when it no longer can', () => {
    store.create('configmaps', configMap('m0'));
    const start = store.version;
    for (let index = 1; index < 6; index += 1) {
      store.create('configmaps', configMap(`m${index}`));
    }
    expect(store.since('configmaps', start)?.map(({ event }) => event.object.metadata.name)).toEqual([
      'm1',
      'm2',
      'm3',
      'm4',
      'm5',
    ]);
    for (let index = 6; index < 40; index += 1) {
      store.create('configmaps', configMap(`m${index}`));
    }
    expect(store.since('configmaps', start)).toBeUndefined();
    expect(store.since('configmaps', store.version - 2)).toHaveLength(2);
    store.compact();
    expect(store.since('configmaps', store.version - 2)).toBeUndefined();
    expect(store.since('configmaps', store.version)).toEqual([]);
  });

  test('shows every listener the commits in one order, also those made by listeners', () => {
    const seen: string[] = [];
    store.subscribe('configmaps', ({ object }) => {
      if (object.metadata.name === 'a') {
        store.create('configmaps', configMap('b'));
      }
    });
    store.subscribe('configmaps', ({ object }) => seen.push(object.metadata.name));
    store.create('configmaps', configMap('a'));
    expect(seen).toEqual(['a', 'b']);
  });
});
