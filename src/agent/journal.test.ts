import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { bundled } from '../testing/bundled.js';
import { journalRecord } from '../testing/journal-records.js';
import { RefusedError } from './handler.js';
import { Journal } from './journal.js';
import { encodeEntry } from './journal-format.js';

let directory: string;
let file: string;
const opened: Journal[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'squall-journal-'));
  file = join(directory, 'journal');
});
afterEach(async () => {
  for (const journal of opened.splice(0)) await journal.close().catch(() => {});
  rmSync(directory, { recursive: true, force: true });
});

async function open(at = directory): Promise<Journal> {
  const journal = await Journal.open(at);
  opened.push(journal);
  return journal;
}

async function reopen(journal: Journal): Promise<Journal> {
  await journal.close();
  opened.splice(opened.indexOf(journal), 1);
  return open();
}

const ids = (journal: Journal) => journal.records.map(({ id }) => id);

describe('Journal', () => {
  test('knows after a restart what is open, oldest first', async () => {
    const journal = await open();
    for (const id of ['aaaaaaaa', 'bbbbbbbb', 'cccccccc']) await journal.intend(journalRecord(id));
    await journal.clean('bbbbbbbb');
    const again = await reopen(journal);
    expect(again.records).toEqual([journalRecord('aaaaaaaa'), journalRecord('cccccccc')]);
    expect(again.problems).toEqual([]);
  });

  test('has a record on disk before it says so', async () => {
    const journal = await open();
    await journal.intend(journalRecord('aaaaaaaa'));
    expect(readFileSync(file, 'utf8')).toBe(encodeEntry({ intend: journalRecord('aaaaaaaa') }));
  });

  test('takes the newer of two records with one id', async () => {
    const journal = await open();
    await journal.intend(journalRecord('aaaaaaaa'));
    await journal.intend(journalRecord('aaaaaaaa', { undo: { device: 'eth1' } }));
    const again = await reopen(journal);
    expect(again.records).toEqual([journalRecord('aaaaaaaa', { undo: { device: 'eth1' } })]);
    await again.clean('aaaaaaaa');
    expect((await reopen(again)).records).toEqual([]);
  });

  test('writes many records that come at once with few syncs', async () => {
    const journal = await open();
    const wanted = Array.from({ length: 500 }, (_, index) => index.toString(16).padStart(8, '0'));
    await Promise.all(wanted.map((id) => journal.intend(journalRecord(id))));
    expect(ids(await reopen(journal))).toEqual(wanted);
  });

  test('takes no room when nothing is open', async () => {
    const journal = await open();
    await journal.intend(journalRecord('aaaaaaaa'));
    await journal.clean('aaaaaaaa');
    await journal.clean('unknown!');
    expect(statSync(file).size).toBe(0);
  });

  test('stays small while it is used for a long time', async () => {
    const journal = await open();
    const undo = 'x'.repeat(50_000);
    await journal.intend(journalRecord('00000000', { undo }));
    for (let round = 1; round <= 100; round++) {
      await journal.intend(journalRecord('aaaaaaaa', { undo: `${round}${undo}` }));
    }
    expect(statSync(file).size).toBeLessThan(1024 * 1024 + 100_000);
    const again = await reopen(journal);
    expect(again.records.map((record) => record.undo)).toEqual([undo, `100${undo}`]);
    expect(statSync(file).size).toBeLessThan(110_000);
  });

  test('refuses more open records than the node should have to hold', async () => {
    const journal = await open();
    const undo = 'x'.repeat(20 * 1024 * 1024);
    await journal.intend(journalRecord('aaaaaaaa', { undo }));
    await expect(journal.intend(journalRecord('bbbbbbbb', { undo }))).rejects.toThrow(RefusedError);
    await journal.clean('aaaaaaaa');
    await journal.intend(journalRecord('bbbbbbbb', { undo }));
    expect(ids(journal)).toEqual(['bbbbbbbb']);
  });

  test.each([1, 200, -1])('drops the last record when it was written in part, up to byte %d', async (cut) => {
    const first = encodeEntry({ intend: journalRecord('aaaaaaaa') });
    writeFileSync(file, first + encodeEntry({ intend: journalRecord('bbbbbbbb') }).slice(0, cut));
    const journal = await open();
    expect([ids(journal), journal.problems]).toEqual([['aaaaaaaa'], []]);
    expect(readFileSync(file, 'utf8')).toBe(first);
    await journal.intend(journalRecord('cccccccc'));
    expect(ids(await reopen(journal))).toEqual(['aaaaaaaa', 'cccccccc']);
  });

  test.each([
    ['a flipped bit', (line: Buffer) => line.fill(line[40]! ^ 1, 40, 41)],
    ['zeros, as after a power cut', (line: Buffer) => line.fill(0, 0, line.length - 1)],
    ['no UTF-8', (line: Buffer) => line.fill(0xff, 20, 30)],
  ])('sets a record in the middle aside that holds %s, says so, and never loses it', async (_, damage) => {
    const line = (id: string) => Buffer.from(encodeEntry({ intend: journalRecord(id) }));
    const damaged = damage(line('bbbbbbbb'));
    writeFileSync(file, Buffer.concat([line('aaaaaaaa'), damaged, line('cccccccc')]));
    const journal = await open();
    expect(ids(journal)).toEqual(['aaaaaaaa', 'cccccccc']);
    expect(journal.problems).toEqual([expect.stringContaining('1 undo record in')]);
    expect(readFileSync(join(directory, 'journal.damaged')).equals(damaged)).toBe(true);
    const again = await reopen(journal);
    expect([ids(again), again.problems]).toEqual([['aaaaaaaa', 'cccccccc'], []]);
  });

  test('goes on with the old file after a crash while it was written anew', async () => {
    const journal = await open();
    await journal.intend(journalRecord('aaaaaaaa'));
    writeFileSync(join(directory, 'journal.new'), 'half of a li');
    expect(ids(await reopen(journal))).toEqual(['aaaaaaaa']);
    expect(existsSync(join(directory, 'journal.new'))).toBe(false);
  });

  test('is used by one agent at a time', async () => {
    await open();
    await expect(Journal.open(directory)).rejects.toThrow(/in use by another agent/);
  });

  test('makes its directory, readable for nobody else', async () => {
    const nested = join(directory, 'var/lib/squall');
    await open(nested);
    expect(statSync(nested).mode & 0o777).toBe(0o700);
  });

  test('says at once that its directory is none', async () => {
    writeFileSync(file, '');
    await expect(Journal.open(file)).rejects.toThrow(/can't be used, and without it no fault is put on/);
  });

  test('loses nothing it has acknowledged when its process is killed, and leaves no lock', async () => {
    const program = await bundled('journal-writer.ts');
    try {
      for (const milliseconds of [150, 250, 400]) {
        const child = spawn(process.execPath, [program.file, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
        let said = '';
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          said += text;
        });
        await once(child.stdout, 'data');
        await new Promise((resolve) => setTimeout(resolve, milliseconds));
        child.kill('SIGKILL');
        await once(child, 'close');
        const lines = said.slice(0, said.lastIndexOf('\n')).split('\n');
        const closing = new Set(lines.filter((line) => line.startsWith('-')).map((line) => line.slice(1)));
        const acknowledged = lines.filter((line) => line.startsWith('+')).map((line) => line.slice(1));
        const journal = await open();
        const found = new Set(ids(journal));
        expect(acknowledged.length).toBeGreaterThan(0);
        expect(acknowledged.filter((id) => !closing.has(id) && !found.has(id))).toEqual([]);
        expect(journal.problems).toEqual([]);
        for (const id of found) await journal.clean(id);
        await opened.pop()?.close();
      }
    } finally {
      program.remove();
    }
  }, 30_000);
});
