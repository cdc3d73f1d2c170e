import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { journalRecord } from '../testing/journal-records.js';
import { decodeJournal, encodeEntry, recordId } from './journal-format.js';

const intend = (id: string) => encodeEntry({ intend: journalRecord(id) });

describe('decodeJournal', () => {
  test('knows what is open after any number of bytes, and never takes a part for a record', () => {
    const parts = [intend('aaaaaaaa'), intend('bbbbbbbb'), encodeEntry({ clean: 'aaaaaaaa' }), intend('cccccccc')];
    const open = [[], ['aaaaaaaa'], ['aaaaaaaa', 'bbbbbbbb'], ['bbbbbbbb'], ['bbbbbbbb', 'cccccccc']];
    const whole = Buffer.from(parts.join(''));
    for (let size = 0; size <= whole.length; size++) {
      const content = decodeJournal(whole.subarray(0, size));
      const complete = parts.map((_, index) => parts.slice(0, index + 1).join('').length).filter((end) => end <= size);
      expect([...content.open.keys()]).toEqual(open[complete.length]);
      expect([content.completeSize, content.damaged]).toEqual([complete.at(-1) ?? 0, []]);
    }
  });

  test('finds every flipped bit of a line, and nothing else is lost', () => {
    const line = intend('bbbbbbbb');
    const before = intend('aaaaaaaa');
    for (let bit = 0; bit < (line.length - 1) * 8; bit++) {
      const bytes = Buffer.from(before + line + intend('cccccccc'));
      const at = before.length + (bit >> 3);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
      const { open, damaged } = decodeJournal(bytes);
      expect([...open.keys()]).toEqual(['aaaaaaaa', 'cccccccc']);
      expect(damaged.length).toBeGreaterThan(0);
    }
  });

  test.each(['{', 'null', '"intend"', '{"intend":null}', '{"other":1}'])('takes no entry from %s', (json) => {
    const line = `${createHash('sha256').update(json).digest('hex').slice(0, 16)} ${json}`;
    const { open, damaged } = decodeJournal(Buffer.from(`${line}\n${intend('aaaaaaaa')}`));
    expect([[...open.keys()], damaged.map(String)]).toEqual([['aaaaaaaa'], [line]]);
  });

  test('keeps the lines of open records as they are, so that writing anew changes nothing', () => {
    const { open } = decodeJournal(Buffer.from(intend('aaaaaaaa')));
    expect(open.get('aaaaaaaa')?.line).toBe(intend('aaaaaaaa'));
  });
});

describe('recordId', () => {
  test('is the same for the same step on the same target, and 8 hexadecimal digits', () => {
    expect(recordId('a', 'b', 0)).toMatch(/^[0-9a-f]{8}$/);
    expect(recordId('a', 'b', 0)).toBe(recordId('a', 'b', 0));
    expect(new Set([recordId('a', 'b', 0), recordId('a', 'b', 1), recordId('a', 'c', 0)]).size).toBe(3);
  });
});
