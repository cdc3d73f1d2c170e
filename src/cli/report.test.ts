import { describe, expect, test } from '@jest/globals';
import type { ExperimentRun, RunStatus, StepStatus } from '../api/experiment-run.js';
import { type Reason, reasons } from '../api/reasons.js';
import { shownWords } from './evidence.js';
import { junit } from './junit.js';
import { measurement, reportTable } from './report.js';

const stage = (name: 'Before' | 'During' | 'After', held: boolean | undefined, successRate: number, p95?: number) => ({
  stage: name,
  samples: 30,
  ownErrors: 0,
  consecutiveFailures: 0,
  successRate,
  ...(held !== undefined && { held }),
  ...(p95 !== undefined && { latencyP95Milliseconds: p95 }),
  ...(held === false && { message: 'success rate was 1.7%, expected >= 99%' }),
});

const step = {
  name: 'kill',
  fault: 'podKill',
  state: 'Done',
  targets: 2,
  hit: 2,
  effective: 2,
} as unknown as StepStatus;

function run(name: string, status: RunStatus | undefined): ExperimentRun {
  return {
    apiVersion: 'squall.dev/v1alpha1',
    kind: 'ExperimentRun',
    metadata: { name: `${name}-x7k2p`, namespace: 'shop', labels: { 'squall.dev/experiment': name } },
    spec: {
      trigger: 'Command',
      template: {
        hypothesis: [{ name: 'web', expect: { successRate: '>= 99%' }, stages: ['Before', 'During', 'After'] }],
        method: [],
        recovery: { within: '60s' },
        timeout: '1h',
      },
    },
    ...(status && { status }),
  } as unknown as ExperimentRun;
}

const passed = run('passes', {
  stage: 'Finished',
  verdict: 'Passed',
  reason: 'HypothesisHeld',
  message: 'All held.',
  startTime: '2026-01-01T00:00:00Z',
  finishTime: '2026-01-01T00:00:07Z',
  recoverySeconds: 0.4,
  steps: [step],
  probes: [
    {
      name: 'web',
      stages: [stage('Before', true, 100, 12.4), stage('During', true, 99.96, 142), stage('After', true, 100, 9.6)],
    },
  ],
});
const failed = run('fails', {
  stage: 'Finished',
  verdict: 'Failed',
  reason: 'HypothesisViolated',
  message: 'It did not hold.',
  finishTime: '2026-01-01T00:00:07Z',
  steps: [step],
  probes: [
    { name: 'web', stages: [stage('Before', true, 100), stage('During', false, 1.7), stage('After', true, 100)] },
  ],
});
const untested = run('untested', {
  stage: 'Finished',
  verdict: 'Inconclusive',
  reason: 'NoTargets',
  message: 'Nothing to hit.',
  finishTime: '2026-01-01T00:00:07Z',
  steps: [{ ...step, state: 'Skipped', targets: 0, hit: 0, effective: 0 }],
});
const unproven = run('unproven', {
  stage: 'Finished',
  verdict: 'Error',
  reason: 'CleanupUnproven',
  message: 'A fault may be there.',
  finishTime: '2026-01-01T00:00:07Z',
  findings: [{ reason: 'CleanupUnproven', message: 'pod a may be hit' }],
  steps: [step],
});
const left = run('left', { stage: 'Holding', message: 'Holding the fault', steps: [step] });
const untouched = run('untouched', undefined);

describe('the table', () => {
  test('has a line per run and per probe, in columns that line up', () => {
    expect(reportTable([passed, failed, untested, left, untouched], false)).toBe(
      [
        'EXPERIMENT  VERDICT          REASON              TARGETS          RECOVERY',
        '  PROBE     BEFORE           DURING              AFTER',
        'passes      Passed           HypothesisHeld      2/2              0.4 s',
        '  web       100%, p95 12 ms  99.9%, p95 142 ms   100%, p95 10 ms',
        'fails       Failed           HypothesisViolated  2/2              -',
        '  web       100%             1.7%                100%',
        'untested    Inconclusive     NoTargets           0/0              -',
        'left        -                -                   2/2              -',
        'untouched   -                -                   0/0              -',
      ].join('\n'),
    );
  });

  test('has a line for each step of which there is more to say', () => {
    const slow = { ...step, name: 'slow-payment', fault: 'network', targets: 100, hit: 100, effective: 97 };
    const evidence = { packets: 120_431, bytes: 9_999_999, exempted: 12 };
    const steps = [step, { ...slow, evidence } as StepStatus, { ...slow, name: 'quiet', effective: 0 } as StepStatus];
    expect(reportTable([{ ...passed, status: { ...passed.status, steps } }, failed], false)).toBe(
      [
        'EXPERIMENT      VERDICT          REASON              TARGETS                     RECOVERY',
        '  STEP          FAULT            EFFECT ON           EVIDENCE',
        '  PROBE         BEFORE           DURING              AFTER',
        'passes          Passed           HypothesisHeld      202/202                     0.4 s',
        '  slow-payment  network          97 of 100           120,431 packets, 12 spared',
        '  quiet         network          0 of 100            -',
        '  web           100%, p95 12 ms  99.9%, p95 142 ms   100%, p95 10 ms',
        'fails           Failed           HypothesisViolated  2/2                         -',
        '  web           100%             1.7%                100%',
      ].join('\n'),
    );
  });

  test.each([
    [undefined, ''],
    [{}, ''],
    [{ packets: 0, bytes: 0, exempted: 0 }, '0 packets'],
    [{ packets: 1, exempted: 1 }, '1 packet, 1 spared'],
    [{ processes: 2 }, '2 processes'],
    [{ connections: 7, connectionsCut: 0 }, '7 connections'],
    [{ connections: 7, connectionsCut: 2 }, '7 connections, 2 cut'],
  ])('says of %j: %s', (evidence, expected) => {
    expect(shownWords({ ...(evidence && { evidence }) })).toBe(expected);
  });

  test.each([
    [{ done: 3, total: 3, refused: 0 }, '3 of 3 pods gone'],
    [{ done: 4, total: 7, refused: 3 }, '4 of 7 pods gone, 3 held back'],
  ])('says of a drain with %j: %s', (progress, expected) => {
    expect(shownWords({ progress })).toBe(expected);
  });

  test('marks verdicts and violated stages in colour, and only then', () => {
    const table = reportTable([passed, failed], true);
    expect(table).toContain('\x1b[32mPassed');
    expect(table).toContain('\x1b[31mFailed');
    expect(table).toContain('\x1b[31m1.7%');
    expect(reportTable([passed, failed], false)).not.toContain('\x1b');
  });

  test('never rounds a rate up to one that was not reached', () => {
    expect(measurement(stage('During', true, 99.99))).toBe('99.9%');
    expect(measurement(stage('During', true, 100))).toBe('100%');
    expect(measurement({ ...stage('During', undefined, 0), successRate: undefined } as never)).toBe('-');
  });
});

/** The elements of an XML text in order, or an error when it is not well-formed. */
function elements(xml: string): { name: string; attributes: Record<string, string> }[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML 1.0 forbids
  expect(xml).not.toMatch(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/);
  const open: string[] = [];
  const found: { name: string; attributes: Record<string, string> }[] = [];
  const body = xml.replace(/^<\?xml[^>]*\?>/, '');
  for (const [, close, name = '', attributes = '', empty] of body.matchAll(
    /<(\/?)([\w-]+)((?:\s+[\w-]+="[^"<]*")*)\s*(\/?)>/g,
  )) {
    if (close) expect(open.pop()).toBe(name);
    else {
      found.push({
        name,
        attributes: Object.fromEntries(
          [...attributes.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, key = '', value]) => [key, value]),
        ) as Record<string, string>,
      });
      if (!empty) open.push(name);
    }
  }
  expect(open).toEqual([]);
  expect(body.replace(/<\/?[\w-]+(?:\s+[\w-]+="[^"<]*")*\s*\/?>/g, '').trim()).toBe('');
  return found;
}

describe('the JUnit report', () => {
  const outcomes = (...runs: ExperimentRun[]) => {
    const list: string[] = [];
    for (const { name, attributes } of elements(junit(runs))) {
      if (name === 'testcase') list.push(`${attributes.classname}: ${attributes.name}`);
      if (name === 'failure' || name === 'error') list.push(`${list.pop()} ${name} ${attributes.type}`);
    }
    return list;
  };

  test('has a suite per run, and a case per probe and stage, for injection and for cleanup', () => {
    const suites = elements(junit([passed, failed])).filter(({ name }) => name === 'testsuite');
    expect(
      suites.map(({ attributes }) => [attributes.name, attributes.tests, attributes.failures, attributes.errors]),
    ).toEqual([
      ['passes', '5', '0', '0'],
      ['fails', '5', '1', '0'],
    ]);
    expect(suites[0]?.attributes.time).toBe('7');
    expect(outcomes(passed)).toEqual([
      'passes: web before',
      'passes: web during',
      'passes: web after',
      'passes: injection',
      'passes: cleanup',
    ]);
  });

  test('calls what was violated a failure', () => {
    expect(outcomes(failed)).toContain('fails: web during failure HypothesisViolated');
  });

  test.each([
    [untested, ['untested: web before error NotJudged', 'untested: injection error NoTargets']],
    [unproven, ['unproven: cleanup error CleanupUnproven']],
    [left, ['left: web after error NotJudged', 'left: cleanup error NotFinished']],
    [
      untouched,
      [
        'untouched: web before error NotJudged',
        'untouched: injection error NotFinished',
        'untouched: cleanup error NotFinished',
      ],
    ],
  ])('calls everything else short of a pass an error, and skips nothing', (short, expected) => {
    expect(outcomes(short)).toEqual(expect.arrayContaining(expected));
    expect(junit([short])).toContain('skipped="0"');
  });

  test('never lets a run that did not pass look green', () => {
    for (const reason of (Object.keys(reasons) as Reason[]).filter((each) => each !== 'HypothesisHeld')) {
      const { verdict } = reasons[reason];
      const red = outcomes(run('red', { ...passed.status, verdict, reason, message: 'why' }));
      const kind = verdict === 'Failed' ? 'failure' : 'error';
      expect(red.filter((text) => text.endsWith(` ${kind} ${reason}`))).toHaveLength(1);
    }
  });

  test('stays well-formed whatever a message holds', () => {
    const message = 'a < b && "c" \u0000 \u001b[31m ]]> \ud83d\ude00 \n';
    const cases = elements(junit([run('odd', { ...untested.status, message } as RunStatus)]));
    expect(cases.find(({ name }) => name === 'error')?.attributes.message).toContain('a &lt; b &amp;&amp;');
  });
});
