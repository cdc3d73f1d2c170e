import { describe, expect, test } from '@jest/globals';
import { type DrainSettings, type NodePod, planDrain } from './drain.js';

const strict: DrainSettings = { unmanaged: false, emptyDirData: false, daemonSets: new Set(['shop/agent']) };
const lenient: DrainSettings = { ...strict, unmanaged: true, emptyDirData: true };

function aPodOn(overrides: Partial<NodePod> = {}): NodePod {
  return {
    namespace: 'shop',
    name: 'web-1',
    uid: 'uid-web-1',
    createdAt: 0,
    ready: true,
    terminating: false,
    completed: false,
    mirror: false,
    emptyDir: false,
    controller: { kind: 'ReplicaSet', name: 'web' },
    protected: false,
    ...overrides,
  };
}

const bare = (overrides: Partial<NodePod> = {}): NodePod => {
  const { controller: _none, ...pod } = aPodOn(overrides);
  return pod;
};

const agent = { controller: { kind: 'DaemonSet', name: 'agent' } };
const orphan = { controller: { kind: 'DaemonSet', name: 'gone' } };

/** What becomes of one pod: with neither permission, and with both. */
function fates(pod: NodePod): [string, string] {
  const fate = (settings: DrainSettings) => {
    const { going, spared, refusal } = planDrain([pod], settings);
    if (refusal !== undefined) return 'refused';
    if (going.length > 0) return 'goes';
    return spared.length > 0 ? 'spared' : 'stays';
  };
  return [fate(strict), fate(lenient)];
}

describe('a drain', () => {
  const cases: [string, NodePod, string, string][] = [
    ['a pod of a ReplicaSet', aPodOn(), 'goes', 'goes'],
    ['one that is on its way out', aPodOn({ terminating: true }), 'goes', 'goes'],
    ['one of a DaemonSet', aPodOn(agent), 'stays', 'stays'],
    ['one of a DaemonSet that has ended', aPodOn({ ...agent, completed: true }), 'goes', 'goes'],
    ['one of a DaemonSet that is gone', aPodOn(orphan), 'refused', 'goes'],
    ['the mirror of a static pod', bare({ mirror: true }), 'stays', 'stays'],
    ['the mirror of a static pod that has ended', bare({ mirror: true, completed: true }), 'stays', 'stays'],
    ['one without a controller', bare(), 'refused', 'goes'],
    ['one without a controller that has ended', bare({ completed: true }), 'goes', 'goes'],
    ['one with an emptyDir', aPodOn({ emptyDir: true }), 'refused', 'goes'],
    ['one with an emptyDir that has ended', aPodOn({ emptyDir: true, completed: true }), 'goes', 'goes'],
    ['one with an emptyDir that is on its way out', aPodOn({ emptyDir: true, terminating: true }), 'refused', 'goes'],
    ['one that is protected', aPodOn({ protected: true }), 'spared', 'spared'],
    ['one that is protected and nothing would replace', bare({ protected: true, emptyDir: true }), 'spared', 'spared'],
    ['one that is protected and has ended', aPodOn({ protected: true, completed: true }), 'spared', 'spared'],
  ];
  test.each(cases)('of %s', (_, pod, withNeither, withBoth) => {
    expect(fates(pod)).toEqual([withNeither, withBoth]);
  });

  test('is refused as a whole, and names what would allow it', () => {
    const lone = ['a', 'b', 'c', 'd'].map((name) => bare({ name }));
    const { refusal } = planDrain([aPodOn(), ...lone, aPodOn({ name: 'cache', emptyDir: true })], strict);
    expect(refusal).toBe(
      'it has 4 pods without a controller that replaces them: shop/a, shop/b, shop/c and 1 more; `unmanaged: true` would allow that; ' +
        'it has a pod with an emptyDir, whose data would be lost: shop/cache; `emptyDirData: true` would allow that',
    );
  });

  test('may be allowed one and not the other', () => {
    expect(planDrain([bare()], { ...strict, emptyDirData: true }).refusal).toMatch(/unmanaged/);
    expect(planDrain([bare({ emptyDir: true })], { ...strict, unmanaged: true }).refusal).toMatch(/emptyDirData/);
  });
});
