import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { until } from '../testing/scripted-server.js';
import { WorkQueue, type WorkQueueOptions } from './queue.js';

const queues: WorkQueue[] = [];
afterEach(async () => {
  for (const queue of queues.splice(0)) await queue.stop();
});

function make(reconcile: WorkQueueOptions['reconcile'], options: Partial<WorkQueueOptions> = {}): WorkQueue {
  const queue = new WorkQueue({ workers: 2, backoff: { baseMs: 10, maxMs: 80 }, reconcile, ...options });
  queues.push(queue);
  return queue;
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('WorkQueue', () => {
  test('never works on one key twice at once, on no more keys than it has workers, and misses no add', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 3 }),
        async (keys, workers) => {
          const running = new Set<string>();
          const added = new Map<string, number>();
          const seen = new Map<string, number>();
          const queue = new WorkQueue({
            workers,
            reconcile: async (key) => {
              expect(running.has(key)).toBe(false);
              running.add(key);
              expect(running.size).toBeLessThanOrEqual(workers);
              seen.set(key, added.get(key) ?? 0);
              await new Promise((resolve) => setImmediate(resolve));
              running.delete(key);
            },
          });
          for (const [index, number] of keys.entries()) {
            const key = String(number);
            added.set(key, (added.get(key) ?? 0) + 1);
            queue.add(key);
            if (index % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
          }
          await queue.idle();
          expect(seen).toEqual(added);
          await queue.stop();
        },
      ),
      { numRuns: 50 },
    );
  });

  test('coalesces: many adds while a key waits are one run, many while it runs are one more', async () => {
    let runs = 0;
    const queue = make(async () => {
      runs += 1;
      await pause(20);
    });
    for (let count = 0; count < 100; count += 1) queue.add('a');
    await until(() => runs === 1);
    for (let count = 0; count < 100; count += 1) queue.add('a');
    await queue.idle();
    expect(runs).toBe(2);
  });

  test('a slow key does not keep the others waiting', async () => {
    const done: string[] = [];
    let release = (): void => {};
    const queue = make(async (key) => {
      if (key === 'slow') await new Promise<void>((resolve) => (release = resolve));
      done.push(key);
    });
    for (const key of ['slow', 'a', 'b', 'c']) queue.add(key);
    await until(() => done.length === 3);
    release();
    await queue.idle();
    expect(done).toEqual(['a', 'b', 'c', 'slow']);
  });

  test('a key that throws comes back ever later, and success resets it', async () => {
    const delays: number[] = [];
    const outcomes = [false, false, false, false, false, true, false, true];
    const errors: string[] = [];
    const queue = make(
      async () => {
        if (!outcomes.shift()) throw new Error('no');
      },
      {
        onError: (key, error) => errors.push(`${key} ${error}`),
        clock: {
          now: () => 0,
          schedule: (milliseconds, callback) => {
            delays.push(milliseconds);
            const immediate = setImmediate(callback);
            return () => clearImmediate(immediate);
          },
        },
      },
    );
    queue.add('a');
    await until(() => outcomes.length === 2);
    queue.add('a');
    await until(() => outcomes.length === 0);
    expect(errors).toEqual(Array.from({ length: 6 }, () => 'a Error: no'));
    expect(delays).toHaveLength(6);
    for (const [index, full] of [10, 20, 40, 80, 80, 10].entries()) {
      expect(delays[index]).toBeGreaterThanOrEqual(full * 0.75);
      expect(delays[index]).toBeLessThanOrEqual(full);
    }
  });

  test('a key whose own failure adds it again still backs off', async () => {
    let runs = 0;
    const queue: WorkQueue = make(
      async (key) => {
        runs += 1;
        queue.add(key);
        setImmediate(() => queue.add(key));
        throw new Error('no');
      },
      { backoff: { baseMs: 50, maxMs: 1_000 } },
    );
    queue.add('a');
    await pause(400);
    expect(runs).toBeGreaterThan(1);
    expect(runs).toBeLessThan(14);
  });

  test('of several times to come back the earliest wins, and an add beats them', async () => {
    const runs: string[] = [];
    const queue = make(async (key) => void runs.push(key));
    queue.addAfter('a', 60_000);
    queue.addAfter('a', 20);
    queue.addAfter('a', 60_000);
    await until(() => runs.length === 1);
    queue.addAfter('b', 60_000);
    queue.add('b');
    await until(() => runs.length === 2);
    await pause(50);
    expect(runs).toEqual(['a', 'b']);
  });

  test('a key comes back when its reconcile says so', async () => {
    let runs = 0;
    const queue = make(async () => {
      runs += 1;
      return runs < 3 ? { after: 5 } : undefined;
    });
    queue.add('a');
    await until(() => runs === 3);
  });

  test('stop waits for what runs, drops what waits, and takes no more', async () => {
    const done: string[] = [];
    const queue = make(
      async (key) => {
        await pause(50);
        done.push(key);
        queue.addAfter(key, 1);
      },
      { workers: 1 },
    );
    queue.add('a');
    queue.add('b');
    queue.addAfter('c', 10);
    await until(() => queue.length === 2);
    await pause(10);
    await queue.stop();
    expect(done).toEqual(['a']);
    queue.add('d');
    await pause(100);
    expect(done).toEqual(['a']);
  });

  test('shows progress while idle, and none while all workers hang', async () => {
    let release = (): void => {};
    const queue = make(() => new Promise<void>((resolve) => (release = resolve)), { workers: 1 });
    const before = performance.now();
    expect(queue.lastProgress()).toBeGreaterThanOrEqual(before);
    queue.add('a');
    queue.add('b');
    await pause(60);
    const stuck = queue.lastProgress();
    expect(performance.now() - stuck).toBeGreaterThan(40);
    await pause(20);
    expect(queue.lastProgress()).toBe(stuck);
    release();
    await until(() => queue.lastProgress() > stuck);
    release();
    await queue.idle();
  });
});
