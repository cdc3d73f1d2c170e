import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { runMain } from '../testing/command-line.js';

const valid = `apiVersion: squall.dev/v1alpha1
kind: Experiment
metadata: {name: a, namespace: shop}
spec:
  hypothesis:
    - name: web
      http: {url: "http://web.shop.svc/", rate: 20/s}
      expect: {successRate: ">= 99%"}
    - name: pods
      resource: {apiVersion: v1, kind: Pod, name: web-0}
      expect: {that: "object.status.phase == 'Running'"}
  method:
    - name: kill
      podKill: {gracePeriod: 0s}
      targets: {pods: {selector: {matchLabels: {app: web}}}, percent: 50}
      duration: 5s
  recovery: {within: 15s}
`;

let folder: string;
let home: string | undefined;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'squall-test-'));
  home = process.env.KUBECONFIG;
  // Whatever gets past the check of the files would say that there is no cluster.
  process.env.KUBECONFIG = join(folder, 'no-kubeconfig');
});

afterAll(() => {
  if (home === undefined) delete process.env.KUBECONFIG;
  else process.env.KUBECONFIG = home;
  rmSync(folder, { recursive: true });
});

async function squall(...args: string[]) {
  const written = await runMain(...args);
  return { ...written, problems: written.stderr.replaceAll(`${folder}/`, '').trim().split('\n') };
}

function write(text: string | Buffer): string {
  const file = join(folder, 'a.yaml');
  writeFileSync(file, text);
  return file;
}

describe('a manifest that is wrong is refused before anything is started', () => {
  test('and the one that all others are made from is right', async () => {
    expect(await squall('validate', write(valid))).toMatchObject({ code: 0, stdout: '1 valid (1 file)\n' });
  });

  test.each([
    ['squall.dev', 'squal.dev', '1:13: apiVersion: is "squal.dev/v1alpha1"; expected squall.dev/v1alpha1'],
    ['v1alpha1', 'v1beta1', '1:13: apiVersion: is "squall.dev/v1beta1"; expected squall.dev/v1alpha1'],
    [
      'Experiment',
      'Experment',
      '2:7: kind: "Experment" is not a kind of squall.dev/v1alpha1; did you mean Experiment?',
    ],
    ['metadata', 'metdata', '3:1: metdata: unknown field; did you mean metadata?'],
    ['namespace:', 'namespce:', '3:21: metadata.namespce: unknown field; did you mean namespace?'],
    ['spec:', 'spce:', '4:1: spce: unknown field; did you mean spec?'],
    ['hypothesis', 'hypotesis', '5:3: spec.hypotesis: unknown field; did you mean hypothesis?'],
    ['http:', 'htpp:', '7:7: spec.hypothesis[0].htpp: unknown field; did you mean http?'],
    ['rate:', 'rat:', '7:43: spec.hypothesis[0].http.rat: unknown field; did you mean rate?'],
    [
      'successRate',
      'sucessRate',
      '8:16: spec.hypothesis[0].expect.sucessRate: unknown field; did you mean successRate?',
    ],
    ['method', 'methods', '12:3: spec.methods: unknown field; did you mean method?'],
    ['podKill', 'podkill', '14:7: spec.method[0].podkill: unknown field; did you mean podKill?'],
    [
      'gracePeriod',
      'graceperiod',
      '14:17: spec.method[0].podKill.graceperiod: unknown field; did you mean gracePeriod?',
    ],
    ['targets', 'target', '15:7: spec.method[0].target: unknown field; did you mean targets?'],
    ['selector', 'slector', '15:24: spec.method[0].targets.pods.slector: unknown field; did you mean selector?'],
    [
      'matchLabels',
      'matchLabel',
      '15:35: spec.method[0].targets.pods.selector.matchLabel: unknown field; did you mean matchLabels?',
    ],
    ['within', 'wihtin', '17:14: spec.recovery.wihtin: unknown field; did you mean within?'],
  ])('a typo: %s as %s', async (right, wrong, problem) => {
    const { code, stdout, problems } = await squall('run', write(valid.replace(right, wrong)));
    expect([code, stdout]).toEqual([2, '']);
    expect(problems).toContain(`a.yaml:${problem}`);
  });

  test.each([
    ['percent: 50', 'percent: 0', '15:71: spec.method[0].targets.percent: '],
    ['percent: 50', 'percent: 101', '15:71: spec.method[0].targets.percent: '],
    ['percent: 50', 'percent: half', '15:71: spec.method[0].targets.percent: '],
    ['duration: 5s', 'duration: 5', '16:17: spec.method[0].duration: must be a duration such as 250ms, 5m or 1h30m'],
    ['duration: 5s', 'duration: -1s', '16:17: spec.method[0].duration: must be a duration'],
    ['duration: 5s', 'duration: 1y', '16:17: spec.method[0].duration: must be a duration'],
    [
      'podKill: {gracePeriod: 0s}',
      'podKill: {}\n      network: {}',
      '13:7: spec.method[0]: what fault to inject: exactly one of `podKill`',
    ],
    ['http://web.shop.svc/', 'http:///path', '7:19: spec.hypothesis[0].http.url: '],
    ['http://web.shop.svc/', 'web.shop.svc', '7:19: spec.hypothesis[0].http.url: '],
    [
      'http://web.shop.svc/',
      'http://169.254.169.254/latest',
      "7:19: spec.hypothesis[0].http.url: '169.254.169.254' port 80 is link-local",
    ],
    ['http://web.shop.svc/', 'http://[fe80::1]/', "7:19: spec.hypothesis[0].http.url: 'fe80::1' port 80 is link-local"],
    [
      'rate: 20/s',
      'body: {matches: "(?=a)"}',
      "7:59: spec.hypothesis[0].http.body.matches: '(?=a)' is not a pattern in RE2 syntax",
    ],
    [
      "object.status.phase == 'Running'",
      'object.status.(',
      '11:22: spec.hypothesis[1].expect.that: is not an expression',
    ],
    [
      "object.status.phase == 'Running'",
      "'yes'",
      '11:22: spec.hypothesis[1].expect.that: must be true or false, but gives a value of type string',
    ],
    ["object.status.phase == 'Running'", 'objects.size() > 1', '11:22: spec.hypothesis[1].expect.that: '],
    [
      '  recovery: {within: 15s}',
      '  recovery: {within: 15s}\n  recovery: {within: 1s}',
      '18:3: this key is given twice',
    ],
    ['  hypothesis', '\thypothesis', '5:1: a tab in the indentation; YAML wants spaces'],
  ])('a value: %s as %j', async (right, wrong, problem) => {
    const { code, stdout, problems } = await squall('run', write(valid.replace(right, wrong)));
    expect([code, stdout]).toEqual([2, '']);
    expect(problems).toContainEqual(expect.stringContaining(`a.yaml:${problem}`));
  });

  test('a pattern that would take others for ever is fine: it is matched in linear time', async () => {
    const text = valid.replace('rate: 20/s', 'body: {matches: "^(a+)+$"}');
    expect(await squall('validate', write(text))).toMatchObject({ code: 0 });
  });

  test.each<[string, string | Buffer, string]>([
    ['is empty', '', '1:1: empty: expected a Kubernetes object'],
    ['has only comments', '# nothing\n---\n', '1:1: empty: expected a Kubernetes object'],
    ['is binary', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0xff, 0xfe, 0x00]), '1:1: not UTF-8 text'],
    ['is huge', 'a: '.padEnd(5 * 1024 * 1024, 'x'), '1:1: larger than 4 MiB, which no manifest needs'],
    ['is a list of words', '- a\n- b\n', '1:1: not a Kubernetes object: expected apiVersion, kind and metadata'],
    ['is nested without an end', '['.repeat(50_000), 'not valid YAML: nested too deeply'],
    ['unfolds to gigabytes', bomb(), '1:1: excessive alias count indicates a resource exhaustion attack'],
  ])('a file that %s', async (_what, text, problem) => {
    const { code, stdout, stderr } = await squall('run', write(text));
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(problem);
    expect(stderr.length).toBeLessThan(1_000);
  });

  test('a file that is not there, and a folder without YAML', async () => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    writeFileSync(join(empty, 'a.txt'), 'x');
    expect((await squall('run', join(folder, 'absent.yaml'))).problems).toEqual([
      'absent.yaml:1:1: no such file or directory',
    ]);
    expect((await squall('run', empty)).problems).toEqual([
      'empty:1:1: no *.yaml, *.yml or *.json file in this directory',
    ]);
  });

  test('also when the others beside it are right, and in a sandbox', async () => {
    const file = write(`${valid}---\n${valid.replace('name: a', 'name: b').replace('percent: 50', 'percent: 101')}`);
    for (const options of [[], ['--sandbox'], ['-o', 'json']]) {
      const { code, stdout, problems } = await squall('run', file, ...options);
      expect([code, stdout, problems]).toEqual([
        2,
        '',
        [expect.stringMatching(/^a\.yaml:33:71: spec\.method\[0\]\.targets\.percent: .*101/)],
      ]);
    }
  });
});

/** Nine lists, each of nine times the one before. */
function bomb(): string {
  const lists = Array.from(
    { length: 9 },
    (_, index) => `a${index + 1}: &a${index + 1} [${Array(9).fill(`*a${index}`)}]`,
  );
  return `a0: &a0 [x, x, x]\n${lists.join('\n')}\n`;
}
