import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { pods } from '../kubernetes/resource.js';
import { AgentLab, quickTimes, type TestAgent } from '../testing/agents.js';
import { until } from '../testing/scripted-server.js';

let lab: AgentLab;

beforeAll(async () => {
  lab = await AgentLab.start();
  // S1: nothing is put on of which the API server and the disk do not know.
  lab.node.hooks.apply = (uid) => {
    const known = lab.cluster.store.list('injections.squall.dev').flatMap(({ status }) => status?.targets ?? []);
    const isIntended = known.some(
      (target: { uid: string; state: string }) => target.uid === uid && target.state === 'Applying',
    );
    if (!isIntended) throw new Error('put on without an intent in the API server');
    if (!lab.journalText().includes(uid)) throw new Error('put on without an undo record on disk');
  };
}, 20_000);

afterAll(() => lab?.stop());

const times = {
  ...quickTimes,
  holds: { every: 100, atOnce: 4 },
  deadMan: { grace: 20_000, every: 500, patience: 300 },
};

/** Dies at the k-th call from now on, unless there are fewer. */
function dieAt({ life }: TestAgent, k: number, when: 'before' | 'after'): void {
  life.end = { at: life.calls + k, when };
}

/** Puts a fault on and takes it back while the agent dies at the k-th call of one of the two; whether it did. */
async function survives(phase: 'apply' | 'revert', k: number, when: 'before' | 'after'): Promise<boolean> {
  const name = `${phase}-${when}-${k}`;
  const first = await lab.agent({ times });
  await until(() => first.agent.isReady);
  const pod = await lab.pod(name);
  if (phase === 'apply') dieAt(first, k, when);
  await lab.inject(name, [pod]);
  if (phase === 'revert') {
    await lab.reach(name, ['Effective']);
    dieAt(first, k, when);
    await lab.revert(name);
  }
  const isDone = () => lab.targets(name)[0]?.state === (phase === 'apply' ? 'Effective' : 'Reverted');
  await until(() => first.life.isOver || (isDone() && (phase === 'apply' || first.agent.busy.injections === 0)));
  const died = first.life.isOver;
  await first.kill();
  const second = await lab.agent({ times });
  if (phase === 'apply') {
    await lab.reach(name, ['Effective']);
    expect(lab.node.hit).toEqual([pod.uid]);
    await lab.revert(name);
  }
  const [target] = await lab.reach(name, ['Reverted']);
  await until(() => second.agent.isReady && second.agent.busy.injections === 0);
  expect(target?.drifts).toBeUndefined();
  expect(lab.node.hit).toEqual([]);
  await second.kill();
  expect(await lab.records()).toEqual([]);
  return died;
}

describe.each(['before', 'after'] as const)('an agent that dies %s', (when) => {
  test.each(['apply', 'revert'] as const)(
    'any call of %s leaves nothing behind that the next one does not know',
    async (phase) => {
      let k = 1;
      while (k < 40 && (await survives(phase, k, when))) k += 1;
      expect(k).toBeGreaterThan(4);
    },
    60_000,
  );
});

test('a pod that goes while no agent is there counts as hit once something may have been on it', async () => {
  const first = await lab.agent({ times });
  const [hit, spared] = [await lab.pod('hit'), await lab.pod('spared')];
  const { apply, prepare } = lab.node.hooks;
  const never = () => new Promise<void>(() => {});
  let reached = 0;
  const stopAt = (pod: { uid: string }) => (uid: string) => {
    if (uid !== pod.uid) return undefined;
    reached += 1;
    return never();
  };
  lab.node.hooks = { apply: stopAt(hit), prepare: stopAt(spared) };
  await lab.inject('while-away', [hit, spared]);
  await until(() => reached === 2);
  await first.kill();
  lab.node.hooks = { ...(apply && { apply }), ...(prepare && { prepare }) };
  for (const { name, uid } of [hit, spared]) {
    lab.node.end(uid);
    await lab.client.delete(pods, 'default', name, { gracePeriodSeconds: 0 });
  }
  const second = await lab.agent({ times });
  await until(
    () =>
      lab
        .targets('while-away')
        .map(({ state }) => state)
        .join() === 'Reverted,Missed',
  );
  await lab.revert('while-away');
  await until(() => second.agent.busy.injections === 0);
  await second.kill();
  expect(await lab.records()).toEqual([]);
}, 20_000);
