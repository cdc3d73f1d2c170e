import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { journalRecord } from '../testing/journal-records.js';
import { RefusedError } from './handler.js';
import { Journal } from './journal.js';

let directory: string;
let journal: Journal | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'squall-journal-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory]);
});
afterEach(async () => {
  await journal?.close().catch(() => {});
  execFileSync('umount', [directory]);
  rmdirSync(directory);
});

const filler = () => join(directory, 'somebody-elses-file');

/** Somebody else takes all the room there is. */
function fill(): void {
  for (let size = 64 * 1024; size >= 1; size = size >> 1) {
    try {
      writeFileSync(filler(), Buffer.alloc(size), { flag: 'a' });
    } catch {
      // The rest is smaller.
    }
  }
}

const ids = ({ records }: Journal) => records.map(({ id }) => id);

describe('Journal on a full disk', () => {
  test('refuses what it cannot record, in a sentence, and takes records again when there is room', async () => {
    journal = await Journal.open(directory);
    await journal.intend(journalRecord('aaaaaaaa'));
    fill();
    const many = Array.from({ length: 40 }, (_, index) => journalRecord(`bbbbbb${10 + index}`));
    const results = await Promise.allSettled(many.map((record) => journal?.intend(record)));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]?.reason).toBeInstanceOf(RefusedError);
    expect(refused[0]?.reason.message).toBe(
      `nothing was done, because the undo record can't be written to ${directory} on the node: no space is left on the device`,
    );
    const taken = [
      'aaaaaaaa',
      ...many.filter((_, index) => results[index]?.status === 'fulfilled').map(({ id }) => id),
    ];
    expect(ids(journal)).toEqual(taken);
    rmSync(filler());
    await journal.intend(journalRecord('cccccccc'));
    await journal.close();
    journal = await Journal.open(directory);
    expect([ids(journal), journal.problems]).toEqual([[...taken, 'cccccccc'], []]);
  });

  test('closes the last record without any room', async () => {
    journal = await Journal.open(directory);
    await journal.intend(journalRecord('aaaaaaaa', { undo: 'x'.repeat(8_000) }));
    fill();
    await journal.clean('aaaaaaaa');
    expect(readFileSync(join(directory, 'journal')).length).toBe(0);
  });

  test('closes one of several as soon as there is room, and is not held up by it', async () => {
    journal = await Journal.open(directory);
    for (const id of ['aaaaaaaa', 'bbbbbbbb']) await journal.intend(journalRecord(id, { undo: 'x'.repeat(3_700) }));
    fill();
    // What is left of the last page.
    for (
      let count = 0;
      await journal.intend(journalRecord(`dddddd${10 + count}`)).then(
        () => true,
        () => false,
      );
    )
      count++;
    await journal.clean('aaaaaaaa');
    expect(ids(journal)).not.toContain('aaaaaaaa');
    rmSync(filler());
    for (const id of ['cccccccc', 'eeeeeeee']) await journal.intend(journalRecord(id));
    expect(readFileSync(join(directory, 'journal'), 'utf8').match(/"clean":"aaaaaaaa"/g)).toHaveLength(1);
    await journal.close();
    journal = await Journal.open(directory);
    expect(ids(journal)).not.toContain('aaaaaaaa');
    expect(ids(journal)).toContain('cccccccc');
  });

  test('is opened with what it knows, though there is no room to write it anew', async () => {
    journal = await Journal.open(directory);
    for (const id of ['aaaaaaaa', 'bbbbbbbb']) await journal.intend(journalRecord(id));
    await journal.clean('aaaaaaaa');
    await journal.close();
    fill();
    journal = await Journal.open(directory);
    expect(ids(journal)).toEqual(['bbbbbbbb']);
    await journal.clean('bbbbbbbb');
    await journal.close();
    journal = await Journal.open(directory);
    expect(ids(journal)).toEqual([]);
  });

  test('says at once when the directory is read-only', async () => {
    mkdirSync(join(directory, 'squall'));
    execFileSync('mount', ['-o', 'remount,ro', directory]);
    await expect(Journal.open(join(directory, 'squall'))).rejects.toThrow(
      /squall can't be used, and without it no fault is put on: the file system is read-only/,
    );
  });
});
