import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Abilities } from '../faults/abilities.js';
import { type Bundled, bundled } from '../testing/bundled.js';
import { runningPod } from '../testing/pod-objects.js';
import { inNamespace, PodProcesses } from '../testing/pod-processes.js';
import { neededCapabilities } from './linux-capabilities.js';

const uid = randomUUID();
const pod = runningPod(uid, ['10.1.2.3'], { app: 'abc' });
const node = new PodProcesses();
let program: Bundled;
beforeAll(async () => {
  program = await bundled('place-program.ts');
  const asSomebody = ['setpriv', '--reuid=12345', '--regid=12345', '--clear-groups', 'sleep', 'infinity'];
  await node.start(`kubepods/pod${uid}/abc`, inNamespace(['10.1.2.3/24'], asSomebody));
});
afterAll(async () => {
  await node.close();
  program.remove();
});

interface Results {
  missing: string[];
  abilities: Abilities;
  find: string;
  change: string;
  signal: string;
  become: string;
}

/** Does what an agent does as root with these capabilities and no other. */
function tryWith(names: readonly string[]): Results {
  const set = ['-all', ...names.map((name) => `+${name.toLowerCase()}`)].join(',');
  const limited = [`--bounding-set=${set}`, '--inh-caps=-all', process.execPath, program.file, JSON.stringify(pod)];
  return JSON.parse(execFileSync('setpriv', limited, { encoding: 'utf8' }));
}

type Work = 'find' | 'change' | 'signal' | 'become';

const all = Object.keys(neededCapabilities);
const without = (name: string) => tryWith(all.filter((one) => one !== name));

describe('the capabilities of a node agent', () => {
  test('are enough for everything', () => {
    const { missing, abilities, ...work } = tryWith(all);
    expect(missing).toEqual([]);
    expect(work).toEqual({ find: '', change: '', signal: '', become: '' });
    expect({ ...abilities, netem: '' }).toEqual({ nft: '', htb: '', netem: '', ifb: '', redirect: '', processes: '' });
  });

  test.each<[string, string, Partial<Record<Work, RegExp>>]>([
    ['KILL', 'to signal', { find: /^$/, change: /^$/, signal: /EPERM/ }],
    ['SETGID', 'to run the proxy', { find: /^$/, change: /^$/, signal: /^$/, become: /not permitted/ }],
    ['SETUID', 'to run the proxy', { find: /^$/, change: /^$/, signal: /^$/, become: /not permitted/ }],
    ['NET_ADMIN', 'to add nft rules', { find: /^$/, change: /Operation not permitted/, signal: /^$/ }],
    ['SYS_PTRACE', 'to see which network namespace', { find: /needs hostPID and SYS_PTRACE/ }],
    ['SYS_ADMIN', "to enter a pod's", { find: /^$/, change: /the agent lacks SYS_ADMIN/, signal: /^$/ }],
  ])('are all needed: %s %s', (name, why, expected) => {
    const results = without(name);
    expect(results.missing).toEqual([expect.stringContaining(`${name} (${why}`)]);
    for (const [part, message] of Object.entries(expected)) expect(results[part as Work]).toMatch(message);
  });

  test('show in the abilities when they are missing', () => {
    expect(without('SYS_ADMIN').abilities.nft).toMatch(/the agent lacks SYS_ADMIN/);
    expect(without('NET_ADMIN').abilities.htb).toMatch(/the agent lacks NET_ADMIN/);
    expect(without('SYS_PTRACE').abilities.processes).toMatch(/SYS_PTRACE/);
    expect(without('KILL').abilities.processes).toBe('the agent lacks KILL');
    expect(without('SETUID').abilities.redirect).toBe('the agent lacks SETUID');
  });
});
