import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { validateCommand } from './validate.js';

const VALID = `apiVersion: squall.dev/v1alpha1
kind: Experiment
metadata: {name: lose-half, namespace: shop}
spec:
  hypothesis:
    - name: checkout-available
      resource: {apiVersion: apps/v1, kind: Deployment, name: checkout}
      expect: {that: "object.status.availableReplicas >= 2"}
  method:
    - name: lose-half
      podKill: {}
      targets: {pods: {selector: {matchLabels: {app: checkout}}}, percent: 50}
`;
const OTHER = 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: checkout}\n';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'squall-validate-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function write(name: string, text: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

async function run(paths: string[], options: { output?: 'json'; stdin?: string; color?: boolean } = {}) {
  let stdout = '';
  let stderr = '';
  const io = {
    stdin: Readable.from([options.stdin ?? '']),
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    color: options.color ?? false,
  };
  const code = await validateCommand(paths, options.output ? { output: options.output } : {}, io);
  return { code, stdout, stderr: stderr.replaceAll(`${directory}/`, '') };
}

describe('squall validate', () => {
  test('counts what is valid and what is passed over, and exits 0', async () => {
    const path = write('a.yaml', `${VALID}---\n${OTHER}---\n${VALID.replace('name: lose-half,', 'name: other,')}`);
    expect(await run([path])).toEqual({
      code: 0,
      stdout: '2 valid (1 file), 1 other object passed over\n',
      stderr: '',
    });
  });

  test('names file, line, column, field and what was expected, and exits 2', async () => {
    const path = write('a.yaml', VALID.replace('percent: 50', 'percent: 101'));
    const { code, stdout, stderr } = await run([path]);
    expect(stderr).toBe(
      'a.yaml:12:76: spec.method[0].targets.percent: should be less than or equal to 100, is 101\n1 problem in 1 file\n',
    );
    expect([code, stdout]).toEqual([2, '']);
  });

  test('prints the list of problems as JSON', async () => {
    const path = write('a.yaml', VALID.replace('spec:', 'spce:'));
    const { code, stdout } = await run([path], { output: 'json' });
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toEqual([
      { file: path, line: 4, column: 1, field: 'spce', message: 'unknown field; did you mean spec?' },
    ]);
    expect(await run([write('b.yaml', VALID)], { output: 'json' })).toMatchObject({ code: 0, stdout: '[]\n' });
  });

  test('colours only when told to', async () => {
    const path = write('a.yaml', 'kind: Experiment\n');
    const sequence = '\u001b[';
    expect((await run([path])).stderr).not.toContain(sequence);
    expect((await run([path], { color: true })).stderr).toContain(sequence);
  });

  test('reads directories with all that is below, hidden directories and other files aside', async () => {
    mkdirSync(join(directory, 'sub'));
    mkdirSync(join(directory, '.git'));
    write('sub/a.yml', VALID);
    write('.git/b.yaml', 'broken: [');
    write('notes.txt', 'broken: [');
    write('values.yaml', 'replicas: 3\n');
    symlinkSync(join(directory, 'missing'), join(directory, 'dangling.yaml'));
    expect(await run([directory])).toEqual({ code: 0, stdout: '1 valid (2 files)\n', stderr: '' });
  });

  test('reads JSON, also with tabs, and the standard input', async () => {
    const object = { apiVersion: 'squall.dev/v1alpha1', kind: 'Experiment', metadata: { name: 'a' }, spec: {} };
    const path = write('a.json', JSON.stringify(object, null, '\t'));
    expect((await run([path])).stderr).toContain('a.json:7:2: spec.method: is required');
    expect((await run(['-'], { stdin: VALID })).stdout).toBe('1 valid (1 file)\n');
  });

  test('says which files cannot be read', async () => {
    mkdirSync(join(directory, 'empty'));
    const paths = ['missing.yaml', 'empty'].map((name) => join(directory, name));
    paths.push(
      write('binary.yaml', Buffer.from([0xff, 0xfe, 0])),
      write('big.yaml', `a: ${'x'.repeat(5 * 1024 * 1024)}`),
      write('nothing.yaml', '# nothing\n'),
    );
    expect((await run(paths)).stderr.split('\n').slice(0, 5)).toEqual([
      'missing.yaml:1:1: no such file or directory',
      'empty:1:1: no *.yaml, *.yml or *.json file in this directory',
      'binary.yaml:1:1: not UTF-8 text',
      'big.yaml:1:1: larger than 4 MiB, which no manifest needs',
      'nothing.yaml:1:1: empty: expected a Kubernetes object',
    ]);
  });

  test('a hundred files take well under a second', async () => {
    for (let index = 0; index < 100; index++)
      write(`${index}.yaml`, VALID.replace('name: lose-half,', `name: e-${index},`));
    const started = performance.now();
    expect((await run([directory])).stdout).toBe('100 valid (100 files)\n');
    expect(performance.now() - started).toBeLessThan(3000);
  });
});
