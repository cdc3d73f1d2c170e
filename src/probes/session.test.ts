import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { type Sample, SampleWindow } from '../stats/window.js';
import { monotonicMilliseconds } from './clock.js';
import { httpSampler } from './http-sampler.js';
import type { Outcome, Sampler, Services } from './probe.js';
import { Session } from './session.js';
import { StallClock } from './stall-clock.js';

/** Runs a session until it gave so many samples. */
async function run(sampler: Sampler, interval: number, count: number, now = monotonicMilliseconds): Promise<Sample[]> {
  const samples: Sample[] = [];
  const session = new Session({ sampler, interval, now, stalled: () => 0, emit: (sample) => samples.push(sample) });
  await session.start();
  while (samples.length < count) await sleep(5);
  session.stop();
  return samples;
}

const good: Outcome = { ok: true };

describe('a session', () => {
  test('sends at the times the rate fixes, however slow the answers are', async () => {
    const slow: Sampler = { sample: () => sleep(60, good) };
    const samples = await run(slow, 10, 20);
    const [first] = samples;
    expect(samples.map(({ at }) => Math.round(at - first!.at))).toEqual(samples.map((_, index) => 10 * index));
  });

  test('shows the stall of a server in the percentiles, and not in one sample alone', async () => {
    const held: ServerResponse[] = [];
    let stalled = false;
    const server = createServer((_request, response) => {
      if (stalled) held.push(response);
      else response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const sampler = httpSampler(
      { url, method: 'GET', rate: '50/s', timeout: '5s', status: ['2xx'], followRedirects: 0 },
      {
        namespace: 'shop',
        expect: {},
        services: {} as Services,
        policy: { blockLoopback: false, blocked: [] },
        now: monotonicMilliseconds,
      },
    );
    setTimeout(() => {
      stalled = true;
    }, 200);
    setTimeout(() => {
      stalled = false;
      for (const response of held) response.end();
    }, 700);
    const window = new SampleWindow();
    for (const sample of await run(sampler, 20, 50)) window.add(sample);
    server.close();
    const { succeeded, latencyP50Milliseconds, latencyP95Milliseconds } = window.summary();
    expect(succeeded).toBeGreaterThan(30);
    expect(latencyP95Milliseconds).toBeGreaterThan(300);
    expect(latencyP50Milliseconds).toBeLessThan(latencyP95Milliseconds! / 2 + 150);
  });

  test('gives samples in the order they were sent, whatever order the answers come in', async () => {
    let count = 0;
    const sampler: Sampler = {
      sample: () => {
        count += 1;
        return count % 3 === 1 ? sleep(80, { ok: false, detail: 'slow' }) : Promise.resolve(good);
      },
    };
    const samples = await run(sampler, 10, 12);
    expect(samples.slice(0, 6).map(({ ok }) => ok)).toEqual([false, true, true, false, true, true]);
    expect(samples.map(({ at }) => at)).toEqual(samples.map(({ at }) => at).sort((a, b) => a - b));
  });

  test('does not send what is due for more than 10 ms, and calls it an error of its own', async () => {
    let time = 0;
    let sent = 0;
    const sampler: Sampler = {
      async sample() {
        sent += 1;
        if (sent === 1) time += 55;
        return good;
      },
    };
    const samples = await run(sampler, 10, 6, () => time);
    expect(samples.map(({ own }) => own ?? false)).toEqual([false, true, true, true, true, false]);
    expect(samples[1]?.detail).toBe('not sent, because it was 45ms late');
    expect(sent).toBe(2);
  });

  test('does not count one by one what was missed in a long stop', async () => {
    let time = 0;
    const sampler: Sampler = {
      async sample() {
        if (time === 0) time = 3_600_000;
        return good;
      },
    };
    const samples = await run(sampler, 10, 1_000, () => time);
    expect(samples.length).toBeLessThan(1_100);
    expect(samples.at(-1)!.at).toBeGreaterThan(3_599_000);
  });

  test('takes an error of the sampler for an error of its own', async () => {
    const sampler: Sampler = { sample: () => Promise.reject(new Error('the API server does not answer')) };
    const [first] = await run(sampler, 10, 1);
    expect(first).toMatchObject({ ok: false, own: true, detail: 'the API server does not answer' });
  });

  test.each([
    ['a latency', { ok: true, latencyMilliseconds: 200 }, 30, true],
    ['a latency', { ok: true, latencyMilliseconds: 200 }, 15, false],
    ['a latency', { ok: true, latencyMilliseconds: 12 }, 11, true],
    ['a timeout', { ok: false, latencyMilliseconds: 1_000, detail: 'no answer within 1s' }, 150, true],
    ['a refusal', { ok: false, detail: 'connection refused' }, 150, false],
  ])('does not take %s for theirs when our thread stood still: %j with %d ms', async (_, outcome, stall, own) => {
    let stalled = 0;
    const sampler: Sampler = {
      async sample() {
        stalled += stall;
        return outcome;
      },
    };
    const samples: Sample[] = [];
    const emit = (sample: Sample) => samples.push(sample);
    const session = new Session({ sampler, interval: 1_000, now: monotonicMilliseconds, stalled: () => stalled, emit });
    await session.start();
    while (samples.length === 0) await sleep(1);
    session.stop();
    expect(samples[0]?.own ?? false).toBe(own);
  });

  test('starts to count when the sampler is prepared, and gives nothing after it was stopped', async () => {
    const started = monotonicMilliseconds();
    const samples: Sample[] = [];
    const session = new Session({
      sampler: { prepare: () => sleep(50), sample: () => sleep(20, good) },
      interval: 5,
      now: monotonicMilliseconds,
      stalled: () => 0,
      emit: (sample) => samples.push(sample),
    });
    await session.start();
    while (samples.length === 0) await sleep(5);
    expect(samples[0]!.at - started).toBeGreaterThan(45);
    session.stop();
    const count = samples.length;
    await sleep(60);
    expect(samples.length).toBe(count);
  });
});

test('the stall clock counts how long the thread stood still, up to the moment it is asked', async () => {
  const clock = new StallClock(monotonicMilliseconds);
  await sleep(30);
  const before = clock.total();
  const busyFrom = monotonicMilliseconds();
  while (monotonicMilliseconds() - busyFrom < 100);
  const during = clock.total();
  await sleep(30);
  const after = clock.total();
  clock.stop();
  expect(during - before).toBeGreaterThan(80);
  expect(after).toBeGreaterThanOrEqual(during);
});
