import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Reason, reasons } from '../api/reasons.js';
import { gravest, verdictOf } from './verdict.js';

const found = (...all: Reason[]) => all.map((reason) => ({ reason, message: reason }));

describe('the verdict', () => {
  test('is Passed when nothing speaks against it', () => {
    expect(verdictOf([])).toEqual({ verdict: 'Passed', reason: 'HypothesisHeld' });
    expect(gravest([])).toBeUndefined();
  });

  const pairs: [Reason, Reason][] = [
    ['CleanupFailed', 'HypothesisViolated'],
    ['CleanupUnproven', 'Halted'],
    ['CleanupUnproven', 'Timeout'],
    ['HypothesisViolated', 'AbortedByUser'],
    ['RecoveryTooSlow', 'Halted'],
    ['HypothesisViolated', 'InjectionFailed'],
    ['Halted', 'Timeout'],
    ['AbortedByUser', 'InjectionFailed'],
    ['Timeout', 'FaultNotEffective'],
    ['InjectionFailed', 'NotEnoughSamples'],
  ];
  test.each(pairs)('is that of %s when %s is found too, in whichever order', (graver, lighter) => {
    const expected = { verdict: reasons[graver].verdict, reason: graver };
    expect(verdictOf(found(graver, lighter))).toEqual(expected);
    expect(verdictOf(found(lighter, graver))).toEqual(expected);
  });

  test('has the reason that was found first among equals', () => {
    expect(verdictOf(found('NotEnoughSamples', 'FaultNotEffective')).reason).toBe('NotEnoughSamples');
    expect(verdictOf(found('FaultNotEffective', 'NotEnoughSamples')).reason).toBe('FaultNotEffective');
  });

  test('is never Passed when anything but a pass was found', () => {
    const against = (Object.keys(reasons) as Reason[]).filter((reason) => reasons[reason].verdict !== 'Passed');
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...against), { minLength: 1 }), (all) => {
        const { verdict, reason } = verdictOf(found(...all));
        expect(verdict).not.toBe('Passed');
        expect(reasons[reason].verdict).toBe(verdict);
      }),
      { numRuns: 200 },
    );
  });
});
