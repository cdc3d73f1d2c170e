import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The command line of this build: it lies beside the bundle of the benchmarks. */
export const squall = fileURLToPath(new URL('./squall.js', import.meta.url));

/** Writes the most memory the process ever had, in KiB, as its last line. */
const tellPeak = `process.on('exit', () => {
  const [, peak] = /VmHWM:\\s+(\\d+)/.exec(require('node:fs').readFileSync('/proc/self/status', 'utf8'));
  require('node:fs').writeSync(1, '\\n' + peak);
});`;

const alive = new Set<ChildProcess>();
// However a benchmark ends, it leaves nothing running.
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/** Has a process killed when this one ends before it. */
export function track<T extends ChildProcess>(child: T): T {
  alive.add(child);
  child.once('exit', () => alive.delete(child));
  return child;
}

/** Makes a folder that goes with this process. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'squall-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts Node with its standard output and error ignored, and leaves it running. */
export function startNode(args: readonly string[]): ChildProcess {
  return track(spawn(process.execPath, args, { stdio: 'ignore' }));
}

/** Resolves when a process has ended, at once when it already has. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => child.once('exit', resolve));
}

/** The memory of a running process in MiB: what it has now, and the most it ever had. */
export function memoryOf({ pid }: ChildProcess): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) / 1024;
  return { now: field('VmRSS'), peak: field('VmHWM') };
}

/** The milliseconds of processor that a process, its threads and the programs it has waited for have used so far. */
export function processorOf({ pid }: ChildProcess): number {
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/schedstat`),
  );
  const nanoseconds = threads.reduce((sum, text) => sum + Number(text.toString().split(' ')[0]), 0);
  return nanoseconds / 1e6 + processorOfEnded(pid);
}

/** The milliseconds of processor that the programs have used that a process has waited for, in steps of 10 ms. */
export function processorOfEnded(pid: number | undefined = process.pid): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // Fields 16 and 17 of proc(5): time of programs it has waited for, in hundredths of a second.
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(13, 15);
  return (Number(user) + Number(system)) * 10;
}

/**
 * Runs Node to its end and returns what it wrote to its standard output, and how long it took in milliseconds.
 *
 * @throws Error when it exits with anything but 0
 */
export async function timeNode(args: readonly string[]): Promise<{ output: string; milliseconds: number }> {
  const begun = performance.now();
  const child = track(spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] }));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  const milliseconds = performance.now() - begun;
  if (code !== 0) throw new Error(`node ${args.join(' ')} exited with ${code}`);
  return { output, milliseconds };
}

/** Runs Node to its end and returns the most memory that it ever had, in MiB. */
export async function peakOfNode(args: readonly string[]): Promise<number> {
  const preload = join(temporaryFolder(), 'tell-peak.cjs');
  writeFileSync(preload, tellPeak);
  const { output } = await timeNode(['--require', preload, ...args]);
  return Number(output.split('\n').at(-1)) / 1024;
}

/** Runs Node to its end and returns the milliseconds of processor that took, in steps of 10 ms; nothing else may end meanwhile. */
export async function processorOfNode(args: readonly string[]): Promise<number> {
  const before = processorOfEnded();
  await timeNode(args);
  return processorOfEnded() - before;
}
