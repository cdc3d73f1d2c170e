import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { build } from 'esbuild';
import { columns } from '../../src/cli/text.js';
import { kernelCases } from '../../src/testing/kernel-cases.js';
import { kernelPackage } from './kernel-package.js';
import { machineImage, makeDisk } from './machine-image.js';
import type { CaseReport } from './report.js';
import { runMachine } from './virtual-machine.js';

const START_MINUTES = 5;
const RUN_MINUTES = 15;
/** Only cases whose name matches this. */
const { SQUALL_CASES = '' } = process.env;

const cases = kernelCases.filter(({ name }) => new RegExp(SQUALL_CASES).test(name));
const reports = new Map<string, CaseReport>();
const work = mkdtempSync(join(tmpdir(), 'squall-kernel-'));

describe("on Debian's kernel, in a virtual machine", () => {
  beforeAll(runSuite, (START_MINUTES + RUN_MINUTES) * 60_000);
  afterAll(() => {
    rmSync(work, { recursive: true, force: true });
    const rows = cases.flatMap(({ name }) =>
      (reports.get(name)?.measured ?? []).map((figure) => [
        name,
        figure.what,
        figure.expected,
        figure.measured,
        figure.plain ?? '',
      ]),
    );
    process.stdout.write(
      `\n${columns([['CASE', 'WHAT', 'EXPECTED', 'MEASURED', 'PLAIN TC'], ...rows]).join('\n')}\n\n`,
    );
  });

  for (const { name } of cases) {
    test(name, () => {
      const report = reports.get(name);
      if (report === undefined) throw new Error('the machine stopped before it came to this');
      expect(report.failure).toBeUndefined();
    });
  }
});

async function runSuite(): Promise<void> {
  const cache = resolve('node_modules/.cache/squall-kernel');
  const kernel = await kernelPackage(cache);
  const image = await machineImage(cache, kernel);
  const [folder, suite, console] = ['suite', 'suite.disk', 'console'].map((name) => join(work, name)) as [
    string,
    string,
    string,
  ];
  await build({
    entryPoints: [resolve('e2e/kernel/suite.ts')],
    outfile: join(folder, 'suite.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    define: { 'process.env.SQUALL_CASES': JSON.stringify(SQUALL_CASES) },
  });
  await makeDisk(folder, suite);
  await runMachine({ kernel, image, suite, console }, RUN_MINUTES * 60, (line) => {
    const report = JSON.parse(line) as CaseReport;
    if (report.name !== undefined) reports.set(report.name, report);
  });
}
