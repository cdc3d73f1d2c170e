import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { bundled } from '../../testing/bundled.js';
import { mutantModules } from '../../testing/mutant.js';
import { scheduleMutants } from '../../testing/schedule-mutants.js';
import type { Decide } from '../../testing/schedule-simulation.js';
import { simulateExperiments, type YearReport } from '../../testing/schedule-year.js';

/** `SQUALL_SIMULATION=full` has 10,000 experiments, which takes a quarter of an hour. */
const EXPERIMENTS = process.env.SQUALL_SIMULATION === 'full' ? 10_000 : 100;
/** How many experiments a bug may survive before it counts as not found. */
const MOST_EXPERIMENTS = 60;

test(`a year of ${EXPERIMENTS} experiments keeps every rule: nothing twice, nothing lost, nothing out of hours`, async () => {
  const program = await bundled('schedule-year-program.ts');
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [program.file, String(EXPERIMENTS)]);
    const report = JSON.parse(stdout) as YearReport;
    expect(report).toMatchObject({ experiments: EXPERIMENTS, wrong: [] });
    expect(report.runs).toBeGreaterThan(50 * EXPERIMENTS);
  } finally {
    program.remove();
  }
}, 7_200_000);

describe('a year of fewer experiments finds a scheduler that', () => {
  for (const { does, by, ...mutation } of scheduleMutants) {
    test(does, () => {
      const decide = mutantModules(mutation)('domain/schedule/decide.ts').decideSchedule as Decide;
      const isFound = (wrong: readonly string[]) => wrong.some((each) => by.some((words) => each.includes(words)));
      const { wrong } = simulateExperiments(MOST_EXPERIMENTS, decide, isFound);
      expect(isFound(wrong) ? 'found' : wrong).toBe('found');
    }, 60_000);
  }
});
