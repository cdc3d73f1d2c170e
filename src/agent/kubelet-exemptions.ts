import { readlinkSync } from 'node:fs';
import { isIP } from 'node:net';
import { kubeletProbePorts } from '../kubernetes/pod.js';
import type { Json, KubeObject } from '../kubernetes/resource.js';
import { type Inputs, RefusedError } from './handler.js';
import type { RunProgram } from './place.js';
import { parseStat, readProcFile } from './proc-files.js';

/**
 * Where the kubelet's probes of a pod come from and which ports they go to. The kubelet sends them from the address that
 * the node's route to the pod prefers, which is often a bridge and not the node's own address.
 * @throws RefusedError when the node's routes can't be read: nobody may hit the pod's probes unknowingly
 */
export async function kubeletExemptions(
  pod: KubeObject,
  podIPs: readonly string[],
  run: RunProgram,
): Promise<Inputs['exempt']> {
  const ports = kubeletProbePorts(pod);
  if (ports.length === 0) return [];
  const sources = await Promise.all(podIPs.map((address) => sourceTo(address, run)));
  const froms = [...new Set(sources.filter((source) => source !== undefined))];
  return froms.flatMap((from) => ports.map((port) => ({ from, port })));
}

async function sourceTo(podIP: string, run: RunProgram): Promise<string | undefined> {
  if (isIP(podIP) === 0) throw new RefusedError(`the pod's address '${podIP}' is none`);
  const [program = 'ip', ...args] = [...wayIntoNode(), 'ip', '-j', 'route', 'get', podIP];
  const { code, stdout, stderr } = await run(program, args);
  // 2: the kernel said no, such as when the node has no route of that family; then no probe takes it either.
  if (code === 2) return undefined;
  if (code !== 0) throw unreadable(`${podIP}: ${stderr.trim().slice(0, 200)}`);
  const [route]: Json[] = JSON.parse(stdout);
  return typeof route?.prefsrc === 'string' ? route.prefsrc : undefined;
}

/**
 * What brings a program into the node's own network, which is that of its first process, and of the kernel's threads
 * where a security module hides the first process even from root.
 */
function wayIntoNode(): string[] {
  const own = linkOf('/proc/self/ns/net');
  const hasThreads = parseStat(readProcFile('/proc/2/stat') ?? '').isKernelThread;
  for (const path of ['/proc/1/ns/net', ...(hasThreads ? ['/proc/2/ns/net'] : [])]) {
    const found = linkOf(path);
    if (found) return found === own ? [] : ['nsenter', `--net=${path}`, '--'];
  }
  throw unreadable('the agent needs hostPID and SYS_PTRACE');
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function unreadable(why: string): RefusedError {
  return new RefusedError(
    `where the kubelet's probes come from can't be told, as the node's routes can't be read: ${why}; with includeKubelet they are hit too`,
  );
}
