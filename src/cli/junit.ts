import { writeFile } from 'node:fs/promises';
import type { TestSuite } from 'junit-report-builder';
import junitReport from 'junit-report-builder';
import type { ExperimentRun, ProbeStatus } from '../api/experiment-run.js';
import { LABEL_EXPERIMENT } from '../api/labels.js';

// The package is the builder itself, where its types say that it lies in `default`.
const builder = junitReport as unknown as typeof junitReport.default;

/**
 * Writes a JUnit file: a suite per run, a case per probe and stage, and one each for injection and cleanup. What is
 * violated is a failure, every other thing short of a pass an error; nothing is ever skipped.
 */
export async function writeJunit(file: string, runs: readonly ExperimentRun[]): Promise<void> {
  await writeFile(file, junit(runs));
}

/** The text of the JUnit file. */
export function junit(runs: readonly ExperimentRun[]): string {
  const report = builder.newBuilder();
  for (const run of runs) describeRun(report.testSuite(), run);
  return report.build();
}

function describeRun(suite: TestSuite, run: ExperimentRun): void {
  const { status, metadata, spec } = run;
  const name = metadata.labels?.[LABEL_EXPERIMENT] ?? metadata.name;
  suite.name(name);
  if (status?.startTime) suite.timestamp(new Date(status.startTime));
  suite.time(secondsBetween(status?.startTime, status?.finishTime));
  for (const probe of spec.template.hypothesis ?? []) {
    const measured = status?.probes?.find((each) => each.name === probe.name);
    for (const stage of probe.stages) describeProbe(suite, name, probe.name, stage, measured, status?.message);
  }
  describeInjection(suite, name, run);
  describeCleanup(suite, name, run);
}

function describeProbe(
  suite: TestSuite,
  run: string,
  name: string,
  stage: string,
  measured: ProbeStatus | undefined,
  why: string | undefined,
): void {
  const test = suite.testCase().className(run).name(`${name} ${stage.toLowerCase()}`);
  const result = measured?.stages.find((each) => each.stage === stage);
  if (result?.held === true) return;
  if (result?.held === false) test.failure(result.message ?? 'the expectation was not met', 'HypothesisViolated');
  else test.error(why ?? 'the run did not come to this stage', 'NotJudged');
}

function describeInjection(suite: TestSuite, run: string, { status }: ExperimentRun): void {
  const test = suite.testCase().className(run).name('injection');
  const steps = status?.steps ?? [];
  if (steps.length > 0 && steps.every(({ state, effective }) => state === 'Done' && effective > 0)) return;
  test.error(status?.message ?? 'no fault was injected', status?.reason ?? 'NotFinished');
}

function describeCleanup(suite: TestSuite, run: string, { status }: ExperimentRun): void {
  const test = suite.testCase().className(run).name('cleanup');
  const failed = status?.findings?.find(({ reason }) => reason === 'CleanupFailed' || reason === 'CleanupUnproven');
  if (failed) test.error(failed.message, failed.reason);
  else if (!status?.finishTime) test.error('the run did not finish', 'NotFinished');
}

function secondsBetween(from: string | undefined, to: string | undefined): number {
  return from && to ? (Date.parse(to) - Date.parse(from)) / 1000 : 0;
}
