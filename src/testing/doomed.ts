import childProcess from 'node:child_process';
import { writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';

/** Where a process is to die: at the nth boundary from now on. */
export interface Doom {
  nth: number;
}

/** What whoever started the process tells it. */
export interface DoomMessage {
  /** Boundaries are counted and told from now on. */
  doom?: Doom;
  /** The wall clock of this process is stepped by so many milliseconds; nothing else is. */
  stepClock?: number;
}

// Loaded before the program itself, by `node --import`. It knows nothing of that program: a boundary is where a program
// is run, something is written to the API server, a file is synced, or a signal is sent, once before and once after.
const kill = process.kill.bind(process);
const { spawn } = childProcess;
const { request } = http;
let doom: Doom | undefined;
let passed = 0;

function boundary(name: string): void {
  if (!doom) return;
  passed += 1;
  if (passed === doom.nth) die(name);
  process.send?.({ boundary: name });
}

/** Ends this process as if somebody had pulled the plug: not one more instruction of the program is carried out. */
function die(name: string): void {
  writeSync(2, `killed ${name}\n`);
  kill(process.pid, 'SIGKILL');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

/** A program without what brings it into a namespace: `nft -f -`. */
function programOf(command: string, args: readonly string[]): string {
  const words = [command, ...args];
  const inner = words.slice(words.indexOf('--') + 1);
  return inner.slice(0, 3).join(' ').slice(0, 60);
}

function doomedSpawn(command: string, ...rest: unknown[]) {
  const name = `program ${programOf(command, Array.isArray(rest[0]) ? rest[0] : [])}`;
  boundary(`before ${name}`);
  const child = Reflect.apply(spawn, childProcess, [command, ...rest]) as childProcess.ChildProcess;
  child.once('close', () => boundary(`after ${name}`));
  return child;
}

/** A write to the API server, by what is wanted or recorded with it. */
function writeOf(method: string, path: string, body: string): string {
  const [, kind = path] = /\/([a-z]+)\/[^/]+(?:\/status)?$/.exec(path.replace(/[?].*/, '')) ?? [];
  const states = [...new Set([...body.matchAll(/"(?:state|stage)":"(\w+)"/g)].map(([, state]) => state))];
  return `${method} ${kind} ${states.join(' ')}`.trim();
}

function doomedRequest(...args: unknown[]) {
  const { method = 'GET', path = '' } = args[0] as http.RequestOptions;
  const sent = Reflect.apply(request, http, args) as http.ClientRequest;
  if (method === 'GET' || /\/(leases|events)\b/.test(path ?? '')) return sent;
  const end = sent.end.bind(sent);
  sent.end = ((body: unknown, ...more: never[]) => {
    const name = writeOf(method, path ?? '', String(body ?? ''));
    boundary(`before ${name}`);
    sent.prependOnceListener('response', () => boundary(`after ${name}`));
    return end(body, ...more);
  }) as typeof sent.end;
  return sent;
}

async function doomFiles(): Promise<void> {
  const handle = await open('/dev/null');
  const files = Object.getPrototypeOf(handle);
  const { datasync } = files;
  files.datasync = async function doomedSync(...args: unknown[]) {
    boundary('before sync of the journal');
    await Reflect.apply(datasync, this, args);
    boundary('after sync of the journal');
  };
  await handle.close();
}

function stepClock(milliseconds: number): void {
  const Before = Date;
  globalThis.Date = class extends Before {
    constructor(...args: unknown[]) {
      // @ts-expect-error Date has many signatures
      super(...(args.length > 0 ? args : [Before.now() + milliseconds]));
    }
    static override now(): number {
      return Before.now() + milliseconds;
    }
  } as DateConstructor;
}

childProcess.spawn = doomedSpawn as typeof spawn;
http.request = doomedRequest as typeof request;
process.kill = (pid, signal) => {
  boundary(`before ${signal}`);
  const result = kill(pid, signal);
  boundary(`after ${signal}`);
  return result;
};
await doomFiles();
syncBuiltinESMExports();

process.on('message', (message: DoomMessage) => {
  passed = 0;
  doom = message.doom ?? doom;
  if (message.stepClock !== undefined) stepClock(message.stepClock);
});
// Outlives no test run, however that ended, and is kept from ending by none.
process.on('disconnect', () => kill(process.pid, 'SIGKILL'));
process.channel?.unref();
