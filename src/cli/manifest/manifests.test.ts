import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readManifests } from './manifests.js';
import { formatProblem } from './problem.js';

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
  directory = mkdtempSync(join(tmpdir(), 'squall-manifest-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function write(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

/** The problems of one YAML text, as lines without the file's name. */
async function problemsOf(text: string): Promise<string[]> {
  const { problems } = await readManifests(['-'], Readable.from([text]));
  return problems.map((problem) => formatProblem(problem).replace('<stdin>:', ''));
}

describe('YAML', () => {
  test.each([
    ['a: 1\na: 2\n', '2:1: this key is given twice; the second would replace the first'],
    ['a:\n\tb: 1\n', '2:1: a tab in the indentation; YAML wants spaces'],
    ['a: "b\n', '2:1: not valid YAML: missing closing "quote'],
    ['a: *b\n', '1:1: unresolved alias (the anchor must be set before the alias): b'],
    ['a: !vault x\n', '1:4: not valid YAML: unresolved tag: !vault'],
    ['a: &a\n  b: *a\n', '1:1: an anchor contains an alias of itself'],
    [`a: ${'['.repeat(20_000)}\n`, 'not valid YAML: nested too deeply'],
    [
      'a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c]\n',
      '1:1: excessive alias count',
    ],
    ['hello\n', '1:1: not a Kubernetes object: expected apiVersion, kind and metadata'],
    ['replicas: 3\n', '1:1: apiVersion: is required'],
  ])('%j', async (text, problem) => {
    expect((await problemsOf(text))[0]).toContain(problem);
  });

  test('a broken document does not hide the problems of the next', async () => {
    const problems = await problemsOf(`a: 1\na: 2\n---\n${VALID.replace('percent: 50', 'percent: 0')}`);
    expect(problems).toEqual([
      '2:1: this key is given twice; the second would replace the first',
      '15:76: spec.method[0].targets.percent: should be greater than or equal to 1, is 0',
    ]);
  });

  test('anchors and merge keys are followed to the place where a value is written', async () => {
    const text = `apiVersion: v1
kind: List
items:
  - ${VALID.trimEnd().replaceAll('\n', '\n    ').replace('spec:', 'spec: &spec')}
  - apiVersion: squall.dev/v1alpha1
    kind: Experiment
    metadata: {name: other}
    spec:
      <<: *spec
      timeout: 5
`;
    expect(await problemsOf(text)).toEqual([
      '21:16: spec.timeout: must be a duration such as 250ms, 5m or 1h30m, is 5',
    ]);
    const bad = text.replace('percent: 50', 'percent: 500').replace('timeout: 5', 'timeout: 5m');
    const place = '15:80: spec.method[0].targets.percent: should be less than or equal to 100, is 500';
    expect(await problemsOf(bad)).toEqual([place, place]);
  });

  test('on and yes are booleans, as kubectl reads them', async () => {
    const problems = await problemsOf(VALID.replace('app: checkout', 'app: on'));
    expect(problems).toEqual([
      '12:54: spec.method[0].targets.pods.selector.matchLabels.app: must be text, is true (A label value)',
    ]);
  });
});

describe('whose object it is', () => {
  const head = (apiVersion: string, kind: string) => `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: a}\n`;

  test.each([
    [
      head('squall.dev/v1alpha1', 'Experimnet'),
      '2:7: kind: "Experimnet" is not a kind of squall.dev/v1alpha1; did you mean Experiment?',
    ],
    [
      head('squall.dev/v1alpha1', 'Deployment'),
      '2:7: kind: "Deployment" is not a kind of squall.dev/v1alpha1; expected one of Experiment,',
    ],
    [
      head('squall.dev/v1alpha', 'Experiment'),
      '1:13: apiVersion: is "squall.dev/v1alpha"; expected squall.dev/v1alpha1',
    ],
    [
      head('squal.dev/v1alpha1', 'Experiment'),
      '1:13: apiVersion: is "squal.dev/v1alpha1"; expected squall.dev/v1alpha1',
    ],
    [head('v1', 'SafetyPolicies'), '1:13: apiVersion: is "v1"; expected squall.dev/v1alpha1'],
    ['kind: Experiment\n', '1:1: apiVersion: is required; expected squall.dev/v1alpha1'],
    ['apiVersion: squall.dev/v1alpha1\n', '1:1: kind: is required; expected one of Experiment,'],
  ])('%j is a near miss', async (text, problem) => {
    expect((await problemsOf(text))[0]).toContain(problem);
  });

  test.each([head('argoproj.io/v1alpha1', 'Experiment'), head('v1', 'Pod'), head('example.com/v1', 'Experimnet')])(
    '%j is passed over',
    async (text) => {
      const { documents, others, problems } = await readManifests(['-'], Readable.from([text]));
      expect([documents.length, others.length, problems.length]).toEqual([0, 1, 0]);
    },
  );
});

describe('typos and wrong values', () => {
  const change = (from: string, to: string) => problemsOf(VALID.replace(from, to));

  test.each([
    ['metadata:', 'metdata:', 'metdata: unknown field; did you mean metadata?'],
    ['namespace:', 'namespce:', 'metadata.namespce: unknown field; did you mean namespace?'],
    ['hypothesis:', 'hypotesis:', 'spec.hypotesis: unknown field; did you mean hypothesis?'],
    ['expect:', 'expects:', 'spec.hypothesis[0].expects: unknown field; did you mean expect?'],
    ['podKill: {}', 'podkill: {}', 'spec.method[0].podkill: unknown field; did you mean podKill?'],
    [
      'podKill: {}',
      'podKill: {gracePeriods: 0s}',
      'spec.method[0].podKill.gracePeriods: unknown field; did you mean gracePeriod?',
    ],
    [
      'podKill: {}',
      'podKill: {}\n      gracePeriod: 0s',
      'spec.method[0].gracePeriod: unknown field; did you mean podKill.gracePeriod?',
    ],
    [
      '}}}, percent: 50',
      '}}, percent: 50}',
      'spec.method[0].targets.pods.percent: unknown field; did you mean percent one level up, in targets?',
    ],
    ['selector:', 'selectr:', 'spec.method[0].targets.pods.selectr: unknown field; did you mean selector?'],
    ['percent: 50', 'percent: half', 'spec.method[0].targets.percent: must be a whole number, is "half"'],
    [
      'podKill: {}',
      'podKill: {gracePeriod: -1s}',
      'spec.method[0].podKill.gracePeriod: must be a duration such as 30s, 5m or 1h30m, is "-1s"',
    ],
    [
      'podKill: {}',
      'podKill: {}\n      duration: 1y',
      'spec.method[0].duration: must be a duration such as 250ms, 5m or 1h30m, is "1y"',
    ],
    [
      'availableReplicas >= 2',
      'availableReplicas >=',
      'spec.hypothesis[0].expect.that: is not an expression over `object`',
    ],
    ['name: lose-half,', '', 'metadata.name: is required'],
    ['name: lose-half,', `name: ${'x'.repeat(53)},`, 'metadata.name: may have at most 52 characters, has 53'],
    ['name: lose-half,', 'name: Lose_half,', 'metadata.name: "Lose_half" is not a name'],
    ['name: lose-half,', 'name: 12,', 'metadata.name: must be a string, is number 12; quote it'],
    [
      'name: lose-half,',
      'name: lose-half, labels: {a: 1, -b: c},',
      'metadata.labels.a: must be a string, is 1; quote it',
    ],
  ])('%s → %s', async (from, to, problem) => {
    const problems = await change(from, to);
    expect(problems.some((line) => line.replace(/^\d+:\d+: /, '').startsWith(problem))).toBe(true);
  });

  test('a name that is too long is told of once', async () => {
    expect(await change('name: lose-half,', `name: ${'x'.repeat(53)},`)).toHaveLength(1);
  });

  test('two faults in a step break a rule', async () => {
    const twice = VALID.replace('name: lose-half\n      podKill: {}', 'name: lose-half');
    expect((await problemsOf(twice))[0]).toContain('podKill');
  });

  test('the same object twice is a mistake, in whatever files', async () => {
    const paths = [write('a.yaml', VALID), write('b.yaml', VALID)];
    const { problems } = await readManifests(paths);
    expect(problems.map(formatProblem)).toEqual([
      `${paths[1]}:3:18: metadata.name: Experiment "lose-half" is already defined at ${paths[0]}:1`,
    ]);
  });
});

test('readManifests gives the objects as written, and finds their fields', async () => {
  const path = write('a.yaml', `${OTHER}---\n${VALID}`);
  const { documents, others, problems } = await readManifests([path]);
  expect(problems).toEqual([]);
  expect(others.map(({ object }) => object.kind)).toEqual(['Deployment']);
  const [manifest] = documents;
  expect(manifest).toMatchObject({ file: path, line: 5, object: { metadata: { name: 'lose-half' } } });
  expect(manifest?.locate(['spec', 'method', 0, 'targets', 'percent'])).toEqual({ line: 16, column: 76 });
  expect(manifest?.locate(['spec', 'method', 0, 'duration'])).toEqual({ line: 14, column: 7 });
});
