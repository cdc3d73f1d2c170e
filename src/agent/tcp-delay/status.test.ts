import { describe, expect, test } from '@jest/globals';
import { statusFrom, titleOf } from './status.js';

const id = '1a2b3c4d';
const status = { connections: 7, open: 2, cut: 1, ended: false };

describe('the title of a proxy', () => {
  test('is read back as it was written, with what Linux pads it with', () => {
    expect(statusFrom(`${titleOf(id, status)}\0\0\0\0`, id)).toEqual(status);
    expect(statusFrom(titleOf(id, { ...status, ended: true }), id)).toEqual({ ...status, ended: true });
  });

  test('may not be there yet: the arguments name the fault too', () => {
    const started = ['/usr/bin/node', '/app/tcp-delay.js', 'squall-tcp-delay', id, '{"uid":1}', ''].join('\0');
    expect(statusFrom(started, id)).toEqual({ connections: 0, open: 0, cut: 0, ended: false });
  });

  test('of another fault or process says nothing', () => {
    expect(statusFrom(titleOf('00000000', status), id)).toBeUndefined();
    expect(statusFrom('sleep\x001000\0', id)).toBeUndefined();
    expect(statusFrom('', id)).toBeUndefined();
  });

  test('fits over the arguments it is written into, whatever it counted', () => {
    const most = Number.MAX_SAFE_INTEGER;
    expect(titleOf(id, { connections: most, open: 8_000, cut: 8_000, ended: true }).length).toBeLessThan(100);
  });
});
