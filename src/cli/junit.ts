import { writeFile } from 'node:fs/promises';
import junitReport from 'junit-report-builder';
import type { ExperimentRun, RunStatus } from '../api/experiment-run.js';
import { LABEL_EXPERIMENT } from '../api/labels.js';

// The package is the builder itself, where its types say that it lies in `default`.
const builder = junitReport as unknown as typeof junitReport.default;

/** One test case; without a problem it passed. */
interface Case {
  name: string;
  problem?: { kind: 'failure' | 'error'; reason: string; message: string };
}

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
  for (const run of runs) {
    const { status, metadata } = run;
    const name = metadata.labels?.[LABEL_EXPERIMENT] ?? metadata.name;
    const suite = report.testSuite().name(name);
    if (status?.startTime) suite.timestamp(new Date(status.startTime));
    suite.time(secondsBetween(status?.startTime, status?.finishTime));
    for (const { name: title, problem } of casesOf(run)) {
      const test = suite.testCase().className(name).name(title);
      if (problem?.kind === 'failure') test.failure(problem.message, problem.reason);
      else if (problem) test.error(problem.message, problem.reason);
    }
  }
  return report.build();
}

function casesOf({ status = {}, spec }: ExperimentRun): Case[] {
  const probes = (spec.template.hypothesis ?? []).flatMap(({ name, stages }) =>
    stages.map((stage) => probeCase(name, stage, status)),
  );
  const cases = [...probes, injectionCase(status), cleanupCase(status)];
  if (status.verdict !== 'Passed' && cases.every(({ problem }) => !problem)) blame(cases, probes, status);
  return cases;
}

function probeCase(probe: string, stage: string, { probes, message }: RunStatus): Case {
  const name = `${probe} ${stage.toLowerCase()}`;
  const result = probes?.find((each) => each.name === probe)?.stages.find((each) => each.stage === stage);
  if (result?.held === true) return { name };
  if (result?.held === false) {
    const text = result.message ?? 'the expectation was not met';
    return { name, problem: { kind: 'failure', reason: 'HypothesisViolated', message: text } };
  }
  const text = message ?? 'the run did not come to this stage';
  return { name, problem: { kind: 'error', reason: 'NotJudged', message: text } };
}

function injectionCase({ steps = [], message = 'no fault was injected', reason }: RunStatus): Case {
  const name = 'injection';
  if (steps.length > 0 && steps.every(({ state, effective }) => state === 'Done' && effective > 0)) return { name };
  return { name, problem: { kind: 'error', reason: reason ?? 'NotFinished', message } };
}

function cleanupCase({ findings, finishTime }: RunStatus): Case {
  const name = 'cleanup';
  const failed = findings?.find(({ reason }) => reason === 'CleanupFailed' || reason === 'CleanupUnproven');
  if (failed) return { name, problem: { kind: 'error', ...failed } };
  if (finishTime) return { name };
  return { name, problem: { kind: 'error', reason: 'NotFinished', message: 'the run did not finish' } };
}

/** A run that did not pass must not look green, also where no case of its own says why: too slow a recovery, a timeout. */
function blame(cases: Case[], probes: readonly Case[], { verdict, reason, message = '' }: RunStatus): void {
  const kind = verdict === 'Failed' ? 'failure' : 'error';
  const after = probes.findLast(({ name }) => name.endsWith(' after'));
  const blamed = (kind === 'failure' && after) || cases.find(({ name }) => name === 'injection');
  if (blamed) blamed.problem = { kind, reason: reason ?? 'NotFinished', message };
}

function secondsBetween(from: string | undefined, to: string | undefined): number {
  return from && to ? (Date.parse(to) - Date.parse(from)) / 1000 : 0;
}
