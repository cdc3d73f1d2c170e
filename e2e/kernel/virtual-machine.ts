import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { KernelPackage } from './kernel-package.js';
import type { MachineImage } from './machine-image.js';

/** How long a machine takes at most until its first line. */
const START_SECONDS = 60;

/** A machine that is to be booted. */
export interface Machine {
  kernel: KernelPackage;
  image: MachineImage;
  /** A file system with `suite.mjs`, which is what the machine is for. */
  suite: string;
  /** A file that gets what the kernel and the suite's standard error say. */
  console: string;
}

/**
 * Boots a machine and hands out each line that its suite writes, until it switches itself off.
 *
 * @returns what runs its processor: `kvm` where that really works, else `tcg`
 * @throws Error with the end of the machine's console when it says nothing, or is still running after `seconds`
 */
export async function runMachine(machine: Machine, seconds: number, onLine: (line: string) => void): Promise<string> {
  // The device may be there and not work, which only shows once something runs on it.
  if (existsSync('/dev/kvm') && (await boot(machine, 'kvm', seconds, onLine))) return 'kvm';
  if (await boot(machine, 'tcg,thread=multi', seconds, onLine)) return 'tcg';
  throw new Error(`the virtual machine did not start\n${tail(machine.console)}`);
}

/** Whether it started at all. */
async function boot(
  { kernel, image, suite, console }: Machine,
  accelerator: string,
  seconds: number,
  onLine: (line: string) => void,
): Promise<boolean> {
  const drive = (file: string) => ['-drive', `file=${file},format=raw,if=virtio,readonly=on`];
  const computer = `-accel ${accelerator} -cpu max -smp 2 -m 1024 -no-reboot -nodefaults -display none`;
  const child = spawn(
    'setpriv',
    [
      // It ends with this process, also when that is killed.
      ...['--pdeathsig', 'KILL', '--', 'qemu-system-x86_64', ...computer.split(' ')],
      ...['-kernel', kernel.image, '-initrd', image.initramfs, ...drive(image.disk), ...drive(suite)],
      ...['-append', 'console=ttyS0 quiet panic=-1 mitigations=off'],
      ...['-serial', `file:${console}`, '-serial', 'stdio'],
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const kill = () => child.kill('SIGKILL');
  const ended = new Promise<void>((resolve, reject) => child.once('error', reject).once('close', () => resolve()));
  let lines = 0;
  let late = false;
  const starting = setTimeout(kill, START_SECONDS * 1_000);
  const running = setTimeout(() => {
    late = true;
    kill();
  }, seconds * 1_000);
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines += 1;
    clearTimeout(starting);
    onLine(line);
  });
  try {
    await ended;
  } finally {
    clearTimeout(starting);
    clearTimeout(running);
  }
  if (late) throw new Error(`the virtual machine was still running after ${seconds} s\n${tail(console)}`);
  return lines > 0;
}

function tail(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(-30).join('\n') : '';
}
