import { describe, expect, test } from '@jest/globals';
import type { ExperimentRun } from '../api/experiment-run.js';
import { rememberingIo } from '../testing/command-line.js';
import type { Io } from './io.js';
import { createProgress } from './progress.js';

/** A terminal that knows what our progress uses: line feeds, cursor up, and erasing to the end of line or screen. */
function terminal(width: number, height: number) {
  const lines: string[] = [''];
  let [row, column] = [0, 0];
  const put = (text: string) => {
    const line = (lines[row] ?? '').padEnd(column);
    lines[row] = line.slice(0, column) + text + line.slice(column + text.length);
    column += text.length;
    if (column > width) throw new Error(`a line would wrap: ${lines[row]}`);
  };
  const upTo = (end: number) => {
    lines[row] = (lines[row] ?? '').slice(0, end);
  };
  const commands: Record<string, (count: number) => void> = {
    A: (count) => {
      row = Math.max(row - count, Math.max(0, lines.length - height));
    },
    K: () => upTo(column),
    J: () => {
      lines.length = row + 1;
      upTo(column);
    },
    '\r': () => {
      column = 0;
    },
    '\n': () => {
      row += 1;
      column = 0;
      lines[row] ??= '';
    },
  };
  const write = (text: string) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what a terminal is told
    for (const [token, count, command = token] of text.matchAll(/\x1b\[(\d*)([AKJ])|\r|\n|[^\x1b\r\n]+/g)) {
      const perform = commands[command];
      if (perform) perform(Number(count));
      else put(token);
    }
  };
  const io: Io = { stdout: { write }, stderr: { write }, color: false, live: true, width, height };
  return {
    io,
    type: put,
    screen: () =>
      lines
        .map((line) => line.trimEnd())
        .join('\n')
        .trim(),
  };
}

function run(status: object): ExperimentRun {
  return { metadata: { name: 'a-x7k2p' }, spec: {}, status } as unknown as ExperimentRun;
}

const step = { name: 'lose-half', fault: 'podKill', state: 'Holding', targets: 2, hit: 2, effective: 1 };
const probe = {
  name: 'shoppers-check-out',
  stages: [
    { stage: 'Before', held: true, successRate: 100, latencyP95Milliseconds: 12 },
    { stage: 'During', held: false, successRate: 1.7, latencyP95Milliseconds: 900 },
    { stage: 'After', successRate: 100, latencyP95Milliseconds: 12 },
  ],
};
const holding = run({ stage: 'Holding', message: 'Holding the fault', steps: [step], probes: [probe] });
const message = 'Probe was violated during the fault: 57 samples in a row failed, expected <= 5 (last: status 502)';
const failed = run({
  stage: 'Finished',
  verdict: 'Failed',
  reason: 'HypothesisViolated',
  message,
  finishTime: 'now',
  steps: [{ ...step, state: 'Done' }],
  probes: [probe],
});
const time = (text: string) => text.replaceAll(/\d+\.\d s/g, 'T s').replaceAll(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/g, '*');

describe('progress on a terminal', () => {
  test('is redrawn in place, and its last state stays', () => {
    const { io, screen } = terminal(120, 30);
    const progress = createProgress('survives', io);
    progress.show(run({ stage: 'Admitted', message: 'Looking for targets' }));
    progress.show(holding);
    expect(time(screen())).toBe(
      [
        '* survives  Holding  T s',
        '  Holding the fault',
        '  lose-half           podKill Holding: 2 of 2 hit, 1 effective',
        '  shoppers-check-out  ✓ before 100%, p95 12 ms  ✗ during 1.7%, p95 900 ms  · after 100%, p95 12 ms',
      ].join('\n'),
    );
    progress.show(failed);
    progress.end();
    expect(time(screen()).split('\n').slice(0, 3)).toEqual([
      '● survives  Failed (HypothesisViolated)  T s',
      `  ${message}`,
      '  lose-half           podKill Done: 2 of 2 hit, 1 effective',
    ]);
  });

  test('is not disturbed by the ^C of the one who interrupts, nor by what is said', () => {
    const { io, type, screen } = terminal(100, 30);
    const progress = createProgress('survives', io);
    progress.show(holding);
    type('^C');
    progress.say('Aborting');
    progress.show(holding);
    progress.end();
    expect(time(screen())).toMatch(
      /^Aborting\n○ survives {2}Holding {2}T s\n {2}Holding the fault\n.*\n.*after 100%.*$/,
    );
  });

  test.each([20, 40, 60, 80])('fits a terminal of %i columns, and loses no word of the last message', (width) => {
    const { io, screen } = terminal(width, 30);
    const progress = createProgress('a-name-that-is-longer-than-the-terminal-is-wide', io);
    progress.show(holding);
    progress.show(failed);
    progress.end();
    expect(screen().replaceAll(/\s+/g, ' ')).toContain(message);
  });

  test('prefers rates over latencies where there is no room for both', () => {
    const { io, screen } = terminal(80, 30);
    const progress = createProgress('survives', io);
    progress.show(holding);
    progress.end();
    expect(screen()).toContain('  shoppers-check-out  ✓ before 100%  ✗ during 1.7%  · after 100%');
  });

  test('does not scroll a terminal that is too low', () => {
    const { io, screen } = terminal(100, 5);
    const progress = createProgress('survives', io);
    const probes = Array.from({ length: 20 }, (_, index) => ({ ...probe, name: `probe-${index}` }));
    for (let count = 0; count < 5; count += 1)
      progress.show(run({ stage: 'Holding', message: 'm', steps: [step], probes }));
    expect(screen().split('\n')).toHaveLength(4);
    progress.end();
    expect(screen().match(/survives/g)).toHaveLength(1);
    expect(screen()).toContain('probe-19');
  });
});

describe('progress in a log', () => {
  test('is a line per change, without colours, and nothing twice', () => {
    const { io, written } = rememberingIo();
    const progress = createProgress('survives', io);
    progress.show(run({ stage: 'Admitted', message: 'Looking for targets' }));
    const removed = { terminating: 0, notReady: 1, unreachable: 2 };
    const selection = [{ step: 'lose-half', candidates: 4, chosen: 2, removed }];
    for (let count = 0; count < 3; count += 1) progress.show(run({ ...holding.status, selection, seed: 7 }));
    progress.show(failed);
    progress.end();
    expect(written.stderr.split('\n')).toEqual([
      'survives: Admitted: Looking for targets',
      'survives: step lose-half: drew 2 of 4 candidates (seed 7), left out 1 not Ready, 2 on the network of their node or static, where no agent puts a fault',
      'survives: step lose-half: podKill holding, 2 of 2 targets hit',
      'survives: Holding: Holding the fault',
      'survives: step lose-half: podKill done, 2 of 2 targets hit',
      `survives: Failed (HypothesisViolated): ${message}`,
      '',
    ]);
  });

  test('says of an ended step what its fault has shown, and of one that was skipped nothing', () => {
    const { io, written } = rememberingIo();
    const slow = {
      name: 'slow',
      fault: 'network',
      state: 'Done',
      targets: 100,
      hit: 100,
      effective: 97,
      endTime: 'now',
    };
    const steps = [
      { ...slow, evidence: { packets: 1204, bytes: 9, exempted: 3 } },
      { ...slow, name: 'next', state: 'Skipped', targets: 0, hit: 0, effective: 0 },
    ];
    createProgress('a', io).show(run({ steps }));
    expect(written.stderr.split('\n')).toEqual([
      'a: step slow: network done, 100 of 100 targets hit, 97 of 100 showed the effect, 1,204 packets, 3 spared',
      'a: step next: network skipped',
      '',
    ]);
  });

  test('can not be forged by a message from elsewhere', () => {
    const { io, written } = rememberingIo();
    createProgress('a', io).show(run({ stage: 'Baseline', message: 'x\x1b[2J\na: Passed (HypothesisHeld): fine\r' }));
    expect(written.stderr).toBe('a: Baseline: x [2J a: Passed (HypothesisHeld): fine \n');
  });
});
