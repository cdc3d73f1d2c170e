import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DeadMan } from './dead-man.js';

const GRACE = 30_000;
const unknown = { record: undefined, at: Number.NEGATIVE_INFINITY };

describe('a dead-man switch', () => {
  test('counts from the last change of the record, not from when it was last read', () => {
    const man = new DeadMan(GRACE, { record: 'a', at: 0 });
    expect(man.heard('b', 5_000)).toBe(true);
    for (let now = 10_000; now <= 30_000; now += 5_000) expect(man.heard('b', now)).toBe(false);
    expect(man.left(34_999)).toBe(1);
    expect(man.left(35_000)).toBe(0);
  });

  test('takes the first record it reads for no sign of life, and the next for one', () => {
    const man = new DeadMan(GRACE, unknown);
    expect(man.heard('a', 100)).toBe(false);
    expect(man.left(100)).toBe(0);
    expect(man.heard('b', 200)).toBe(true);
    expect(man.left(200)).toBe(GRACE);
  });

  test('takes a Lease that is not there for silence, and the same one again for no news', () => {
    const man = new DeadMan(GRACE, { record: 'a', at: 0 });
    expect(man.heard('', 1_000)).toBe(false);
    expect(man.heard('a', 2_000)).toBe(false);
    expect(man.left(GRACE)).toBe(0);
  });

  test('goes on where another process was, however often it is started', () => {
    let { sign } = new DeadMan(GRACE, { record: 'a', at: 1_000 });
    for (let now = 2_000; now < 31_000; now += 1_000) {
      const man = new DeadMan(GRACE, sign);
      man.heard('a', now);
      expect(man.left(now)).toBe(31_000 - now);
      sign = man.sign;
    }
    expect(new DeadMan(GRACE, sign).left(31_000)).toBe(0);
  });

  test('gives a controller that is dead no more than the grace after its last renewal was seen, whatever is read when', () => {
    // Restarts lose nothing but the object; a dead controller's record never changes again.
    const events = fc.array(fc.record({ wait: fc.nat(20_000), restart: fc.boolean(), answer: fc.boolean() }));
    fc.assert(
      fc.property(events, (list) => {
        let now = 0;
        let man = new DeadMan(GRACE, { record: 'before', at: 0 });
        let lastSign = 0;
        let signs = 0;
        for (const { wait, restart, answer } of list) {
          now += wait;
          man = restart ? new DeadMan(GRACE, man.sign) : man;
          const isSign = answer && man.heard('last', now);
          lastSign = isSign ? now : lastSign;
          signs += Number(isSign);
          expect(man.left(now)).toBe(Math.max(0, lastSign + GRACE - now));
        }
        expect(signs).toBeLessThanOrEqual(1);
      }),
    );
  });
});
