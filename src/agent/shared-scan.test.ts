import { describe, expect, test } from '@jest/globals';
import { sharedScan } from './shared-scan.js';

describe('sharedScan', () => {
  test('answers nobody with a scan that began before they asked, and scans for all who wait once', async () => {
    const finish: ((value: number) => void)[] = [];
    const scan = sharedScan(() => new Promise<number>((resolve) => finish.push(resolve)));
    const first = scan();
    const later = [scan(), scan(), scan()];
    expect(finish).toHaveLength(1);
    finish[0]?.(1);
    expect(await first).toBe(1);
    const late = scan();
    finish[1]?.(2);
    expect(await Promise.all(later)).toEqual([2, 2, 2]);
    finish[2]?.(3);
    expect(await late).toBe(3);
    expect(finish).toHaveLength(3);
  });

  test('goes on after a scan that failed', async () => {
    let scans = 0;
    const scan = sharedScan(() =>
      Promise.resolve().then(() => {
        if (++scans === 1) throw new Error('no');
        return scans;
      }),
    );
    const [first, second] = await Promise.allSettled([scan(), scan()]);
    expect([first.status, second]).toEqual(['rejected', { status: 'fulfilled', value: 2 }]);
    expect(await scan()).toBe(3);
  });
});
