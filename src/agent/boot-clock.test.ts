import { uptime } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { readBootId, readBootMilliseconds } from './boot-clock.js';

describe('the clock of a boot', () => {
  test('counts from the boot on, in milliseconds', async () => {
    const before = uptime() * 1000;
    const now = await readBootMilliseconds();
    expect(now).toBeGreaterThanOrEqual(before - 1000);
    expect(now).toBeLessThanOrEqual(uptime() * 1000 + 1000);
    expect(await readBootMilliseconds()).toBeGreaterThanOrEqual(now);
  });

  test('has an identifier that is the same for everyone', async () => {
    expect(await readBootId()).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(await readBootId()).toBe(await readBootId());
  });
});
