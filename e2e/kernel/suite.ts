import type { KernelCase, Measured } from '../../src/testing/kernel-case.js';
import { kernelCases } from '../../src/testing/kernel-cases.js';
import { NetworkPods } from '../../src/testing/network-pods.js';
import type { CaseReport } from './report.js';

// What is run inside of the virtual machine: all cases in one process, as a new one takes seconds there.

const CASE_SECONDS = 240;
/** Cases at a time, each with pods of its own: most of a case is waiting for packets. */
const LANES = 2;

/** The pods of one lane, made anew after a case that may have left something behind. */
class Lane {
  #pods: NetworkPods | undefined;

  async run(one: KernelCase): Promise<CaseReport> {
    const measured: Measured[] = [];
    const begun = performance.now();
    let failure: string | undefined;
    try {
      await withinTime(this.#run(one, measured));
    } catch (error) {
      failure = (error instanceof Error && error.stack) || String(error);
      await this.stop();
    }
    const milliseconds = Math.round(performance.now() - begun);
    return { name: one.name, ...(failure !== undefined && { failure }), measured, milliseconds };
  }

  async stop(): Promise<void> {
    const pods = this.#pods;
    this.#pods = undefined;
    await pods?.stop();
  }

  async #run(one: KernelCase, measured: Measured[]): Promise<void> {
    this.#pods ??= await NetworkPods.start({ peers: 2 });
    const pods = this.#pods;
    const before = await pods.snapshot();
    await one.run({ pods, measured: (figure) => measured.push(figure) });
    const after = await pods.snapshot();
    if (after !== before) throw new Error(`the namespace is not as it was.\nBefore:\n${before}\nAfter:\n${after}`);
  }
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

say({ started: true });
const wanted = new RegExp(process.env.SQUALL_CASES ?? '');
const waiting = kernelCases.filter(({ name }) => wanted.test(name));
const lanes = Array.from({ length: LANES }, async () => {
  const lane = new Lane();
  for (let one = waiting.shift(); one; one = waiting.shift()) say(await lane.run(one));
  await lane.stop();
});
await Promise.all(lanes);
