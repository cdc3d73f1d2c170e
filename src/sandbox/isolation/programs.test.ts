import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { findProgram } from './programs.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'squall-test-'));
  for (const [name, mode] of [
    ['tool', 0o755],
    ['data', 0o644],
  ] as const) {
    writeFileSync(join(folder, name), '');
    chmodSync(join(folder, name), mode);
  }
  mkdirSync(join(folder, 'folder'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('a program', () => {
  test('is looked for in the folders of PATH', () => {
    expect(findProgram('tool', `/nowhere:${folder}`)).toBe(join(folder, 'tool'));
    expect(findProgram('tool', '/nowhere')).toBeUndefined();
  });

  test('with a slash in its name is looked for where it says, relative to the directory', () => {
    expect(findProgram('./tool', '/nowhere', folder)).toBe(join(folder, 'tool'));
    expect(findProgram('./tool', folder, '/')).toBeUndefined();
  });

  test('is a file that may be run', () => {
    expect([findProgram('data', folder), findProgram('folder', folder)]).toEqual([undefined, undefined]);
  });
});
