import { readFile } from 'node:fs/promises';

/**
 * What a node agent needs of the node's kernel beyond being root, as in `securityContext.capabilities.add` with
 * `drop: [ALL]`: its number in capabilities(7) and what for. This is what was found by dropping one after the other.
 *
 * An agent that is root needs no capability to read /proc/PID/cgroup, /proc/PID/status and its own journal.
 */
export const neededCapabilities = {
  KILL: { bit: 5, why: 'to signal processes that run as another user' },
  SETGID: { bit: 6, why: 'to run the proxy of TCP delays as a user of its own' },
  SETUID: { bit: 7, why: 'to run the proxy of TCP delays as a user of its own' },
  NET_ADMIN: { bit: 12, why: 'to add nft rules, qdiscs and devices' },
  SYS_PTRACE: { bit: 19, why: 'to see which network namespace a process is in' },
  SYS_ADMIN: { bit: 21, why: "to enter a pod's network namespace" },
} as const;

/** The name of a capability without `CAP_`, as Kubernetes writes it. */
export type CapabilityName = keyof typeof neededCapabilities;

/**
 * The capabilities a node agent needs and lacks, each with what it is needed for: `SYS_ADMIN (to enter …)`.
 * @param statusFile the /proc/PID/status of the process that is meant
 */
export async function missingCapabilities(statusFile?: string): Promise<string[]> {
  return (await lackingCapabilities(statusFile)).map((name) => `${name} (${neededCapabilities[name].why})`);
}

/** The capabilities a node agent needs and lacks. */
export async function lackingCapabilities(statusFile = '/proc/self/status'): Promise<CapabilityName[]> {
  const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(await readFile(statusFile, 'utf8'))?.[1] ?? '0';
  const effective = BigInt(`0x${digits}`);
  const names = Object.keys(neededCapabilities) as CapabilityName[];
  return names.filter((name) => ((effective >> BigInt(neededCapabilities[name].bit)) & 1n) === 0n);
}
