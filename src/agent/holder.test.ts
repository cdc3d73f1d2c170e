import { describe, expect, test } from '@jest/globals';
import { systemTiming } from '../kubernetes/timing.js';
import { until } from '../testing/scripted-server.js';
import { Holder } from './holder.js';
import { Slots } from './slots.js';

describe('slots', () => {
  test('let no more work run at once than there are', async () => {
    const slots = new Slots(3, 60_000, systemTiming);
    let running = 0;
    let most = 0;
    const work = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
    };
    await Promise.all(Array.from({ length: 20 }, () => slots.run(work)));
    expect(most).toBe(3);
  });

  test('are free again when work fails, or takes too long', async () => {
    const slots = new Slots(1, 50, systemTiming);
    await expect(slots.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    let release = () => {};
    const hanging = slots.run(() => new Promise<void>((resolve) => (release = resolve)));
    expect(await slots.run(async () => 'after it')).toBe('after it');
    release();
    await hanging;
    expect(await slots.run(async () => 'and again')).toBe('and again');
  });
});

describe('a holder', () => {
  test('looks at everything about as often as it should, spread out, though one of them hangs', async () => {
    const looks = new Map<string, number[]>();
    const holder = new Holder<string>({ every: 200, atOnce: 2 }, systemTiming, async (name) => {
      looks.set(name, [...(looks.get(name) ?? []), performance.now()]);
      if (name === 'hangs') await new Promise(() => {});
    });
    const names = ['hangs', ...Array.from({ length: 20 }, (_, index) => `pod-${index}`)];
    for (const name of names) holder.add(name, true);
    await until(() => names.slice(1).every((name) => (looks.get(name)?.length ?? 0) >= 5));
    for (const name of names) holder.remove(name);
    expect(looks.get('hangs')).toHaveLength(1);
    const first = names.slice(1).map((name) => looks.get(name)?.[0] ?? 0);
    expect(Math.max(...first) - Math.min(...first)).toBeGreaterThan(50);
  });

  test('looks at all once more when it is stopped, and then no more', async () => {
    const looks: string[] = [];
    const holder = new Holder<string>({ every: 60_000, atOnce: 2 }, systemTiming, async (name) => {
      looks.push(name);
    });
    for (const name of ['a', 'b', 'c']) holder.add(name, true);
    await holder.stop();
    holder.add('d', false);
    expect(looks.sort()).toEqual(['a', 'b', 'c']);
    expect(holder.size).toBe(0);
  });
});
