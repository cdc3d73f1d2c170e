import { parseArgs } from 'node:util';
import { apiCalls } from './api-calls.js';
import { commandStart } from './command-start.js';
import { controllerMemory } from './controller-memory.js';
import { drain } from './drain.js';
import { type Summary, summarize, table } from './figure.js';
import { halt } from './halt.js';
import { manyTargets } from './many-targets.js';
import { matchPlane } from './match-plane.js';
import { nodeAgent } from './node-agent.js';
import { plan } from './plan.js';
import { podLoss } from './pod-loss.js';
import { schedule } from './schedule.js';
import { tcpDelay } from './tcp-delay.js';

const benchmarks = [
  podLoss,
  controllerMemory,
  manyTargets,
  commandStart,
  matchPlane,
  nodeAgent,
  tcpDelay,
  halt,
  drain,
  apiCalls,
  plan,
  schedule,
];
const names = benchmarks.map(({ name }) => name);

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'boolean' } } });
  const unknown = positionals.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    process.stderr.write(`no benchmark '${unknown}'; there are: ${names.join(', ')}\n`);
    process.exitCode = 2;
    return;
  }
  const summaries: Summary[] = [];
  for (const { name, run } of benchmarks) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    process.stderr.write(`measuring ${name} …\n`);
    summaries.push(...(await run()).map((figure) => summarize(name, figure)));
  }
  process.stdout.write(`${values.json ? JSON.stringify(summaries, null, 2) : table(summaries)}\n`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
await main();
