import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { exitCodeOf, worst } from './run-all.js';
import { type PlannedRun, runsFromFiles, splitArguments } from './runs.js';

const folder = mkdtempSync(join(tmpdir(), 'squall-test-'));
afterAll(() => rmSync(folder, { recursive: true }));

const method = 'method: [{name: kill, podKill: {}, targets: {pods: {selector: {matchLabels: {app: web}}}}}]';

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const experiment = (metadata: string) =>
  `apiVersion: squall.dev/v1alpha1\nkind: Experiment\nmetadata: ${metadata}\nspec: {${method}}\n`;

function read(file: string, more: { namespace?: string; seed?: number } = {}): Promise<PlannedRun[]> {
  return runsFromFiles(
    [file],
    { arguments: [file], namespace: more.namespace, ...(more.seed !== undefined && { seed: more.seed }) },
    'fallback',
  );
}

describe('runs made from files', () => {
  test('carry the spec, the labels, the name of the experiment and where it was read', async () => {
    const file = write(
      'labelled.yaml',
      experiment(
        '{name: web, namespace: shop, labels: {team: a}, annotations: {squall.dev/expected-verdict: Failed, other: b}}',
      ),
    );
    const [run] = await read(file, { seed: 7 });
    expect(run?.title).toBe('web');
    expect(run?.object).toMatchObject({
      kind: 'ExperimentRun',
      metadata: {
        generateName: 'web-',
        namespace: 'shop',
        labels: { team: 'a', 'squall.dev/experiment': 'web' },
        annotations: { 'squall.dev/file': file, 'squall.dev/expected-verdict': 'Failed' },
      },
      spec: { trigger: 'Command', seed: 7, template: { method: [{ name: 'kill' }] } },
    });
    expect(run?.object.metadata.annotations).not.toHaveProperty('other');
  });

  test('go to the namespace of the manifest, else the one asked for, else that of the context', async () => {
    const bare = write('bare.yaml', experiment('{name: web}'));
    const placed = write('placed.yaml', experiment('{name: web, namespace: shop}'));
    const namespaceOf = async (file: string, namespace?: string) =>
      (await read(file, namespace ? { namespace } : {}))[0]?.object.metadata.namespace;
    expect(await namespaceOf(bare)).toBe('fallback');
    expect(await namespaceOf(bare, 'asked')).toBe('asked');
    expect(await namespaceOf(placed)).toBe('shop');
    expect(await namespaceOf(placed, 'shop')).toBe('shop');
    await expect(namespaceOf(placed, 'asked')).rejects.toThrow("is in namespace 'shop', and --namespace says 'asked'");
  });

  test('are taken as they are when they are ExperimentRuns', async () => {
    const file = write(
      'run.yaml',
      `apiVersion: squall.dev/v1alpha1\nkind: ExperimentRun\nmetadata: {name: mine}\nspec: {template: {${method}}}\n`,
    );
    const [run] = await read(file);
    expect(run?.object).toMatchObject({ kind: 'ExperimentRun', metadata: { name: 'mine', namespace: 'fallback' } });
    expect(run?.object.metadata).not.toHaveProperty('generateName');
    expect((await read(file, { seed: 0 }))[0]?.object.spec.seed).toBe(0);
  });

  test('are not made at all when one document is wrong; every problem is listed', async () => {
    const file = write('wrong.yaml', `${experiment('{name: fine}')}---\n${experiment('{name: a, nmae: b}')}`);
    await expect(read(file)).rejects.toThrow(
      /^.*wrong\.yaml:8:\d+: metadata\.nmae: unknown field; did you mean name\?$/,
    );
  });

  test('need something to run', async () => {
    const file = write('other.yaml', 'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n');
    await expect(read(file)).rejects.toThrow('there is no Experiment and no ExperimentRun to run');
  });
});

test('arguments are files when they exist or look like it, and names otherwise', async () => {
  expect(await splitArguments(['-', 'experiments', './absent', 'absent.yaml', 'a\\b', 'checkout'])).toEqual({
    paths: ['-', 'experiments', './absent', 'absent.yaml', 'a\\b'],
    names: ['checkout'],
  });
});

describe('the exit code', () => {
  test('of several runs is that of the worst: 5, 1, 4, 3, 0', () => {
    expect([
      worst([0, 3, 4, 1, 5]),
      worst([0, 3, 4, 1]),
      worst([0, 3, 4]),
      worst([0, 3]),
      worst([0]),
      worst([]),
    ]).toEqual([5, 1, 4, 3, 0, 0]);
  });

  test.each([
    ['Passed', 0],
    ['Failed', 1],
    ['Inconclusive', 3],
    ['Aborted', 4],
    ['Error', 5],
    [undefined, 5],
  ])('of verdict %s is %i', (verdict, code) => {
    expect(exitCodeOf({ run: { status: { verdict } } as never, end: 'finished' })).toBe(code);
  });

  test('of a run that was left or deleted is never 0', () => {
    const run = { status: { verdict: 'Passed' } } as never;
    expect([exitCodeOf({ run, end: 'deleted' }), exitCodeOf({ run, end: 'detached' })]).toEqual([4, 4]);
  });
});
