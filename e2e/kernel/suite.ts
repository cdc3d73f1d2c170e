import type { KernelCase, Measured } from '../../src/testing/kernel-case.js';
import { kernelCases } from '../../src/testing/kernel-cases.js';
import { NetworkPods } from '../../src/testing/network-pods.js';
import type { CaseReport } from './report.js';

/** What is run inside of the virtual machine: all cases in one process, as a new one takes seconds there. */
const CASE_SECONDS = 90;

const wanted = new RegExp(process.env.SQUALL_CASES ?? '');
let pods: NetworkPods | undefined;

say({ started: (performance.now() / 1_000).toFixed(1) });
for (const one of kernelCases) if (wanted.test(one.name)) say(await report(one));
await pods?.stop();

async function report(one: KernelCase): Promise<CaseReport> {
  const measured: Measured[] = [];
  const begun = performance.now();
  let failure: string | undefined;
  try {
    await withinTime(run(one, measured));
  } catch (error) {
    failure = (error instanceof Error && error.stack) || String(error);
    // Whatever it left behind is not the next one's trouble.
    await pods?.stop();
    pods = undefined;
  }
  const milliseconds = Math.round(performance.now() - begun);
  return { name: one.name, ...(failure !== undefined && { failure }), measured, milliseconds };
}

async function run(one: KernelCase, measured: Measured[]): Promise<void> {
  pods ??= await NetworkPods.start({ peers: 2 });
  const before = await pods.snapshot();
  await one.run({ pods, measured: (figure) => measured.push(figure) });
  const after = await pods.snapshot();
  if (after !== before) throw new Error(`the namespace is not as it was.\nBefore:\n${before}\nAfter:\n${after}`);
}

async function withinTime(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done within ${CASE_SECONDS} s`)), CASE_SECONDS * 1_000);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
