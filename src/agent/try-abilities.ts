import { type Abilities, type Ability, abilities } from '../faults/abilities.js';
import { type CapabilityName, lackingCapabilities } from './linux-capabilities.js';
import type { RunProgram } from './place.js';
import { Processes } from './processes.js';
import { refuseFailedStart } from './run-program.js';

/** One program with its input, to be tried in a network namespace of its own, which ends with the program. */
interface Trial {
  program: 'nft' | 'tc' | 'ip';
  args: readonly string[];
  input?: string;
  /** The part of the kernel that is missing when the program says so. */
  part: string;
}

const lines = (...all: string[]) => `${all.join('\n')}\n`;

const tables = lines(
  'table inet squall_try {',
  'set armed { type ether_type; flags timeout; elements = { ip timeout 30s, ip6 timeout 30s }',
  '}',
  'set endpoints { type ipv4_addr . inet_proto . inet_service',
  '}',
  'chain egress {',
  'type filter hook postrouting priority mangle; policy accept;',
  'meta protocol != @armed return',
  'ip daddr . meta l4proto . th dport @endpoints numgen random mod 1000 < 300 counter drop',
  'meta priority set 5351:1 counter',
  '}',
  '}',
  'table netdev squall_try {',
  'chain ingress {',
  'type filter hook ingress device "lo" priority 0; policy accept;',
  'counter fwd to "lo"',
  '}',
  '}',
);

const redirect = lines(
  'table ip squall_try {',
  'map listeners { type ipv4_addr . inet_service : inet_service; flags timeout',
  '}',
  'chain output {',
  'type nat hook output priority -100; policy accept;',
  'meta skuid != 1 meta l4proto tcp redirect to :ip daddr . tcp dport map @listeners',
  '}',
  '}',
);

const classes = [
  'qdisc add dev lo root handle 5351: htb default 0',
  'class add dev lo parent 5351: classid 5351:1 htb rate 1gbit',
];

/** What is tried for each ability is the least that uses all it stands for. */
const trials: Readonly<Record<Exclude<Ability, 'processes'>, Trial>> = {
  nft: { program: 'nft', args: ['-f', '-'], input: tables, part: 'nf_tables (inet, netdev, fwd, numgen)' },
  htb: {
    program: 'tc',
    args: ['-batch', '-'],
    input: lines(
      ...classes,
      'qdisc add dev lo parent 5351:1 handle 1: tbf rate 1mbit burst 10kb limit 10kb',
      'class add dev lo parent 5351: classid 5351:2 htb rate 1gbit',
      'qdisc add dev lo parent 5351:2 blackhole',
    ),
    part: 'sch_htb, sch_tbf or sch_blackhole',
  },
  netem: { program: 'tc', args: 'qdisc add dev lo root netem delay 1ms'.split(' '), part: 'sch_netem' },
  ifb: { program: 'ip', args: 'link add squall0 type ifb'.split(' '), part: 'ifb' },
  redirect: { program: 'nft', args: ['-f', '-'], input: redirect, part: 'nft_redir' },
};

/** What an ability needs that its trial does not. */
const untried: Partial<Record<Ability, readonly CapabilityName[]>> = {
  redirect: ['SETGID', 'SETUID'],
  processes: ['KILL'],
};

/**
 * Finds out what can be done on this node, by doing it: each in a network namespace that is made for it and ends with
 * the one program that is in it, so that nothing can be left behind, also when the agent is killed meanwhile.
 * @param run runs programs where the agent runs
 */
export async function tryAbilities(run: RunProgram, procRoot = '/proc'): Promise<Abilities> {
  const lacked = await lackingCapabilities();
  const found: Partial<Record<Ability, string>> = {};
  // One after the other: while one nft has nf_tables loaded for the first time, another one fails.
  for (const ability of abilities) {
    const why = await (ability === 'processes' ? tryProcesses(procRoot) : tryInNamespace(run, trials[ability]));
    const lacking = untried[ability]?.filter((name) => lacked.includes(name)) ?? [];
    found[ability] = why === '' && lacking.length > 0 ? `the agent lacks ${lacking.join(' and ')}` : why;
  }
  return found as Record<Ability, string>;
}

async function tryInNamespace(run: RunProgram, { program, args, input, part }: Trial): Promise<string> {
  try {
    const output = await run('unshare', ['--net', '--', program, ...args], input === undefined ? {} : { input });
    if (output.code === 0) return '';
    refuseFailedStart('unshare', program, output);
    if (output.stderr.includes('Operation not permitted'))
      return `${program} may change nothing: the agent lacks NET_ADMIN`;
    // nft says where before it says what; tc and ip say in which line after it.
    const said = /Error: (.*)/.exec(output.stderr)?.[1] ?? output.stderr.trim().split('\n')[0];
    return `the kernel has no ${part} (${program}: ${said?.replace(/\.$/, '')})`;
  } catch (error) {
    return (error as Error).message;
  }
}

function tryProcesses(procRoot: string): string {
  if (process.pid === 1) return 'the agent sees no processes but its own: its pod needs hostPID';
  try {
    new Processes(procRoot).hostNetworks();
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}
