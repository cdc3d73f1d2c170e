import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A process as procfs shows it; what is left out is as of an ordinary process of a pod. */
export interface ProcEntry {
  pid: number;
  cgroup: string;
  name?: string;
  state?: string;
  threads?: number;
  flags?: number;
  startTime?: number;
  /** As in NSpid, from the node's PID namespace inwards. */
  innerPids?: number[];
  /** Number of its network namespace; undefined: it has none (a zombie). */
  network?: number | undefined;
  addresses?: string[];
  commandLine?: string;
}

/** Number of the network namespace of the node in a fixture. */
export const NODE_NETWORK = 4_026_531_840;

/** A folder that looks like the procfs of a node, for runtimes and cgroup versions that are not there. */
export class ProcFixture {
  readonly root = mkdtempSync(join(tmpdir(), 'squall-proc-'));

  constructor(entries: readonly ProcEntry[]) {
    mkdirSync(join(this.root, 'sys/kernel/random'), { recursive: true });
    writeFileSync(join(this.root, 'sys/kernel/random/boot_id'), 'b5a6b4f0-0000-4000-8000-000000000003\n');
    this.add({ pid: 1, name: 'systemd', cgroup: '0::/init.scope\n', network: NODE_NETWORK });
    this.add({ pid: 2, name: 'kthreadd', cgroup: '0::/\n', network: NODE_NETWORK, flags: 0x0020_8040 });
    for (const entry of entries) this.add(entry);
  }

  add(entry: ProcEntry): void {
    const { pid, cgroup, name = 'app', network = 4_026_532_008, innerPids = [1], addresses = [] } = entry;
    const folder = join(this.root, String(pid));
    mkdirSync(join(folder, 'ns'), { recursive: true });
    mkdirSync(join(folder, 'net'));
    const file = (path: string, text: string) => writeFileSync(join(folder, path), text);
    file('cgroup', cgroup);
    file('stat', statOf({ ...entry, name }));
    file('status', `Name:\t${name}\nNSpid:\t${[pid, ...innerPids].join('\t')}\nThreads:\t1\n`);
    file('cmdline', (entry.commandLine ?? name).split(' ').join('\0'));
    file('mountinfo', '');
    file('net/fib_trie', addresses.map((address) => `        |-- ${address}\n           /32 host LOCAL\n`).join(''));
    if (!('network' in entry) || entry.network !== undefined) symlinkSync(`net:[${network}]`, join(folder, 'ns/net'));
  }

  remove(pid: number): void {
    rmSync(join(this.root, String(pid)), { recursive: true });
  }

  close(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** As in proc_pid_stat(5): 52 fields, of which the state is the third and the start time the 22nd. */
function statOf({
  pid,
  name,
  state = 'S',
  threads = 1,
  flags = 0x0040_0000,
  startTime = 100 + pid,
}: ProcEntry): string {
  const fields = Array.from({ length: 50 }, () => '0');
  fields[0] = state;
  fields[9 - 3] = String(flags);
  fields[20 - 3] = String(threads);
  fields[22 - 3] = String(startTime);
  return `${pid} (${name}) ${fields.join(' ')}\n`;
}
