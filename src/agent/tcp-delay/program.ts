import { readFileSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { ProxySettings, Request, Response } from './protocol.js';
import { DelayProxy } from './proxy.js';
import { titleOf } from './status.js';

/**
 * The entry of a proxy's process. As long as requests come on stdin it delays. When none came for a while, or stdin
 * ends, its agent is gone: the delay ends at once, connections are passed on until nft can't redirect any more, and
 * drained. SIGTERM means that nft does not redirect any more already.
 */

const MOST_CONNECTIONS = 8_000;
/** Descriptors for everything but connections, which take two each. */
const OTHER_DESCRIPTORS = 400;
const TITLE_EVERY_MILLISECONDS = 250;
const LINGER_MILLISECONDS = 3_000;

const [, , , id = '', settingsText = '{}'] = process.argv;
const settings = JSON.parse(settingsText) as ProxySettings;
// These files can't be read any more by a process that has changed its user.
const mostConnections = Math.min(MOST_CONNECTIONS, Math.floor((descriptorLimit() - OTHER_DESCRIPTORS) / 2));
const networkNamespace = readlinkSync('/proc/self/ns/net');
if (networkNamespace !== settings.networkNamespace) {
  throw new Error(`this is ${networkNamespace} and not ${settings.networkNamespace}`);
}
becomeUser(settings.uid);

const proxy = new DelayProxy(settings.latencyMilliseconds, settings.jitterMilliseconds);
/** On the monotonic clock: when it may end if no connection is left, and when it ends in any case. */
let ending: { earliest: number; latest: number } | undefined;
let ended = false;
let heardAt = performance.now();
let title = '';

function descriptorLimit(): number {
  const line = /^Max open files +(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  return line?.[1] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(line?.[1]);
}

function becomeUser(uid: number): void {
  if (process.getuid?.() === uid) return;
  process.setgroups?.([]);
  process.setgid?.(uid);
  process.setuid?.(uid);
}

function say(response: Response): void {
  process.stdout.write(`${JSON.stringify(response)}\n`);
}

async function answer(line: string): Promise<void> {
  heardAt = performance.now();
  if (ending) return say({ error: 'it is ending' });
  try {
    const { destinations } = JSON.parse(line) as Request;
    say({ listening: await proxy.listen(destinations), mostConnections });
  } catch (error) {
    say({ error: (error as Error).message });
  }
}

function end(redirectedForSeconds: number): void {
  proxy.stop();
  const earliest = performance.now() + redirectedForSeconds * 1_000;
  const latest = earliest + settings.drainSeconds * 1_000;
  ending = { earliest, latest: Math.min(latest, ending?.latest ?? latest) };
}

function tick(): void {
  const now = performance.now();
  if (!ending && now - heardAt > settings.redirectSeconds * 1_000) end(settings.redirectSeconds);
  if (ending && !ended && (now >= ending.latest || (now >= ending.earliest && proxy.counters.open === 0))) {
    proxy.close();
    ended = true;
    setTimeout(() => process.exit(), LINGER_MILLISECONDS);
  }
  const next = titleOf(id, { ...proxy.counters, ended });
  if (next !== title) process.title = next;
  title = next;
}

let answered = Promise.resolve();
createInterface({ input: process.stdin })
  .on('line', (line) => {
    answered = answered.then(() => answer(line));
  })
  .on('close', () => {
    if (!ending) end(settings.redirectSeconds);
  });
// Nobody reads these any more once the agent is gone.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});
process.on('SIGTERM', () => end(0));
// A terminal's Ctrl-C and hang-up mean the agent, which will end us. SIGUSR1 would open a debugger's port.
for (const signal of ['SIGINT', 'SIGHUP', 'SIGUSR1'] as const) process.on(signal, () => {});
tick();
setInterval(tick, TITLE_EVERY_MILLISECONDS);
