import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Watchdog } from '../kubelet/watchdog.js';
import { makeBridge } from './bridge.js';
import { Cgroups, cgroupMounts } from './cgroups.js';
import type { Isolation } from './isolation.js';
import { NamespacedPod, type PodNetwork } from './pod-namespace.js';
import { findProgram } from './programs.js';
import { tryNetwork } from './try-network.js';

const programs = ['ip', 'nsenter', 'unshare', 'env', 'sleep', 'find'];

/**
 * Pods in network namespaces on a bridge, and in cgroups. That packets get through is tried before.
 *
 * @param directory `squall-sandbox-` and 8 hexadecimal digits, which are also in the names of all that is made
 * @throws Error saying why this machine or this user can't have that; what was made by then goes with the watchdog
 */
export async function openNamespaces(watchdog: Watchdog, directory: string): Promise<Isolation> {
  refuseHopeless();
  const name = basename(directory);
  const id = name.slice(-8);
  const cgroups = makeCgroups(watchdog, name);
  const bridge = await makeBridge(watchdog, `sqb${id}`);
  // Connections that nobody closed may keep a namespace for minutes, and with it its end of the cable.
  watchdog.guardDevices(`sqv${id}`);
  let devices = 0;
  const network: PodNetwork = { watchdog, bridge, cgroups, newDevice: () => `sqv${id}${(devices++).toString(36)}` };
  const { block, gateway, proxyAddress } = bridge;
  const isolation: Isolation = {
    mode: 'namespaces',
    reason: undefined,
    nodes: block.nodes,
    services: block.services,
    proxyAddress,
    gateway: { address: gateway, admits: (remoteAddress) => remoteAddress.startsWith(`${block.prefix}.`) },
    watchdog,
    directory,
    createSandbox: (pod, hostIP) => new NamespacedPod(network, pod, hostIP),
    async release() {
      await watchdog.stop();
      await block.release();
    },
  };
  try {
    await tryNetwork(isolation);
  } catch (error) {
    await block.release();
    throw error;
  }
  return isolation;
}

function refuseHopeless(): void {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error('that takes root on Linux');
  }
  const missing = programs.filter((program) => findProgram(program, process.env.PATH ?? '') === undefined);
  if (missing.length > 0) {
    throw new Error(`not found: ${missing.join(', ')} (Debian has them in iproute2, util-linux, coreutils, findutils)`);
  }
}

function makeCgroups(watchdog: Watchdog, name: string): Cgroups {
  const roots = cgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8')).map((mount) => join(mount, name));
  if (roots.length === 0) {
    throw new Error('no cgroups are mounted here');
  }
  for (const root of roots) {
    watchdog.guardCgroup(root);
  }
  const cgroups = new Cgroups(roots);
  cgroups.make('kubepods');
  return cgroups;
}
