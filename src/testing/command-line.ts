import type { Io } from '../cli/io.js';
import { main } from '../cli/program.js';

/** What a command wrote, and its exit code. */
export interface Written {
  code: number;
  stdout: string;
  stderr: string;
}

/** Streams that remember what is written: no terminal, no colours. */
export function rememberingIo(): { io: Io; written: { stdout: string; stderr: string } } {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({
    write(text: string) {
      written[name] += text;
    },
  });
  const streams = { stdout: stream('stdout'), stderr: stream('stderr') };
  return { io: { ...streams, color: false, live: false, width: 80, height: 24 }, written };
}

/** Runs the command line inside this process. */
export async function runMain(...args: string[]): Promise<Written> {
  const { io, written } = rememberingIo();
  return { code: await main(args, io), ...written };
}
