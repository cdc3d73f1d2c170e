import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { generate } from './command.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'squall-generate-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function run(...args: string[]): { code: number; said: string[]; complained: string[] } {
  const said: string[] = [];
  const complained: string[] = [];
  const code = generate(args, root, { say: (line) => said.push(line), complain: (line) => complained.push(line) });
  return { code, said, complained };
}

describe('generate', () => {
  test('writes every file, and nothing when all are up to date', () => {
    expect(run().said).toContain('wrote crds/squall.dev_experiments.yaml');
    expect(run()).toEqual({ code: 0, said: [], complained: [] });
    expect(run('--check')).toEqual({ code: 0, said: [], complained: [] });
  });

  test('--check names what is missing, changed or extra and the command that mends it, and writes nothing', () => {
    run();
    const crd = join(root, 'crds/squall.dev_experiments.yaml');
    const page = join(root, 'docs/reference/faults.md');
    const extra = join(root, 'docs/reference/gone.md');
    writeFileSync(crd, 'changed');
    rmSync(page);
    writeFileSync(extra, '');

    const { code, complained } = run('--check');

    expect(code).toBe(1);
    expect(complained).toEqual([
      'crds/squall.dev_experiments.yaml: is not what the sources say',
      'docs/reference/faults.md: is not what the sources say',
      'docs/reference/gone.md: is not generated from anything',
      'Run `npm run generate` and commit what it changes.',
    ]);
    expect(readFileSync(crd, 'utf8')).toBe('changed');
    expect(run().said).toEqual([
      'wrote crds/squall.dev_experiments.yaml',
      'wrote docs/reference/faults.md',
      'removed docs/reference/gone.md',
    ]);
    expect(run('--check').code).toBe(0);
  });

  test('refuses what it does not know', () => {
    expect(run('--chekc')).toEqual({
      code: 2,
      said: [],
      complained: ["generate: unknown argument '--chekc': expected nothing, or --check"],
    });
  });
});
