import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { missingCapabilities } from './linux-capabilities.js';

describe('missingCapabilities', () => {
  test.each([
    ['000001ffffffffff', []],
    ['00000000002810e0', []],
    [
      '00000000000810c0',
      ['KILL (to signal processes that run as another user)', "SYS_ADMIN (to enter a pod's network namespace)"],
    ],
  ])('knows what is missing of %s', async (set, expected) => {
    const folder = mkdtempSync(join(tmpdir(), 'squall-status-'));
    writeFileSync(join(folder, 'status'), `Name:\tsquall\nCapPrm:\t000001ffffffffff\nCapEff:\t${set}\n`);
    expect(await missingCapabilities(join(folder, 'status'))).toEqual(expected);
    rmSync(folder, { recursive: true });
  });
});
