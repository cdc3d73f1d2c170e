// The guard of an agent's pauses: `node pause-guard.js PROCFS MILLISECONDS`. It lets stopped processes go on when its stdin
// ends, which is when the agent does, and those of an undo record of which it has heard nothing for so long.
import type { GuardGreeting, GuardOrder } from './guard-order.js';
import { leaveCgroups } from './leave-cgroups.js';
import { type KnownProcess, ProcessTable } from './process-table.js';

const [procRoot = '/proc', patience] = process.argv.slice(2);
const table = new ProcessTable(procRoot);
const held = new Map<string, { processes: KnownProcess[]; until: number }>();

function letGoOn(id: string): void {
  for (const known of held.get(id)?.processes ?? []) {
    try {
      table.resume(known);
    } catch (error) {
      // The others have to go on all the same.
      process.stderr.write(`${(error as Error).message}\n`);
    }
  }
  held.delete(id);
}

function end(): never {
  for (const id of [...held.keys()]) letGoOn(id);
  process.exit(0);
}

function obey({ number, id, processes }: GuardOrder): void {
  if (processes.length === 0) held.delete(id);
  else {
    const until = performance.now() + Number(patience);
    held.set(id, { processes: processes.map(([pid, startTime]) => ({ pid, startTime })), until });
  }
  process.stdout.write(`${number}\n`);
}

let text = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (part) => {
  const lines = (text + part).split('\n');
  text = lines.pop() ?? '';
  for (const line of lines) obey(JSON.parse(line) as GuardOrder);
});
process.stdin.on('end', end);
process.stdin.on('error', end);
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, end);
process.on('uncaughtException', end);

setInterval(() => {
  const late = [...held].filter(([, { until }]) => performance.now() > until);
  for (const [id] of late) letGoOn(id);
  // An agent that forgot it starts another one when it needs one.
  if (late.length > 0 && held.size === 0) end();
}, 1_000);

const greeting: GuardGreeting = { bound: leaveCgroups(procRoot) };
process.stdout.write(`${JSON.stringify(greeting)}\n`);
