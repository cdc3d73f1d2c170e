import { describe, expect, test } from '@jest/globals';
import { claimAddressBlock, claimPrivateBlock } from './addresses.js';

describe('a block of private addresses', () => {
  test('is in no network that is in use', async () => {
    const used = ['10.0.0.0/9', '10.128.0.0/10', '10.192.0.0/11', '10.224.7.1', '192.0.2.0/24'];
    const block = await claimPrivateBlock(used);
    await block.release();
    const [first, second] = block.prefix.split('.').map(Number);
    expect(first).toBe(10);
    expect(second).toBeGreaterThan(224);
  });

  test('is one of 172.16.0.0/12 when 10.0.0.0/8 is in use, and there is none when both are', async () => {
    const block = await claimPrivateBlock(['10.0.0.0/8']);
    await block.release();
    expect(block.prefix).toMatch(/^172\.(1[6-9]|2\d|3[01])$/);
    await expect(claimPrivateBlock(['10.0.0.0/8', '172.16.0.0/12'])).rejects.toThrow('None of 0 free blocks');
  });

  test('and a block of loopback addresses go to one sandbox each', async () => {
    const used = Array.from({ length: 256 }, (_, second) => `10.${second}.0.0/16`).slice(0, 249);
    const [one, other] = await Promise.all([claimPrivateBlock(used), claimPrivateBlock(used)]);
    const loopback = await claimAddressBlock();
    await Promise.all([one, other, loopback].map((block) => block.release()));
    expect(one.prefix).not.toBe(other.prefix);
    expect(loopback.prefix).not.toBe(one.prefix.replace('10.', '127.'));
  });
});
