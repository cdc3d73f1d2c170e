import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Launch } from '../kubelet/container-process.js';
import type { Watchdog } from '../kubelet/watchdog.js';
import type { KubeObject } from '../store/types.js';
import type { Bridge } from './bridge.js';
import type { Cgroups } from './cgroups.js';
import type { ContainerRun, PodSandbox } from './isolation.js';
import { findProgram } from './programs.js';
import { runCommand } from './run-command.js';

/** What all pods of a sandbox with namespaces share. */
export interface PodNetwork {
  watchdog: Watchdog;
  bridge: Bridge;
  cgroups: Cgroups;
  /** A name for one more network device of the machine. */
  newDevice(): string;
}

/**
 * Joins the cgroups whose files come before `--`, closes descriptor 3 to say so, and becomes the command behind it. Only
 * the process itself can do that in time: one that is moved from outside may have forked by then.
 */
const join = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 126; shift; done; shift; exec 3>&-; exec "$@"';

/**
 * Makes the pod's end of its cable in its own namespace and the other one in that of the machine, whose process is `$1`
 * and whose device is `$2`; says so, and holds the namespace.
 */
const pause =
  'ip link add eth0 type veth peer name "$2" netns "$1" && ip -batch - && echo ready && exec sleep infinity';

/** The classes as the kubelet's cgroup driver `cgroupfs` has them as folders. */
const qualityFolders: Record<string, string> = { BestEffort: 'besteffort/', Burstable: 'burstable/' };

/** The process that keeps a network namespace there while a container restarts. */
interface Holder {
  pid: number;
  hasEnded: boolean;
  ended: Promise<unknown>;
}

/** A pod with a cgroup and, unless it is a hostNetwork pod, a network namespace of its own. */
export class NamespacedPod implements PodSandbox {
  readonly addresses: readonly string[];
  private readonly own: string | undefined;
  private readonly cgroup: string;
  private holder: Holder | undefined;
  private device: string | undefined;
  private released = false;

  constructor(
    private readonly network: PodNetwork,
    pod: KubeObject,
    hostIP: string,
  ) {
    const { bridge } = network;
    this.own = pod.spec.hostNetwork ? undefined : bridge.block.pods.allocate();
    this.addresses = this.own === undefined ? [hostIP] : bridge.addressesOf(this.own);
    const quality = qualityFolders[pod.status?.qosClass ?? 'BestEffort'] ?? '';
    this.cgroup = `kubepods/${quality}pod${pod.metadata.uid}`;
  }

  async open(): Promise<void> {
    if (this.own === undefined) {
      return;
    }
    try {
      await this.connect(this.own);
    } catch (error) {
      await this.network.cgroups.remove(this.cgroup);
      throw error;
    }
  }

  private async connect(address: string): Promise<void> {
    const { watchdog, bridge } = this.network;
    const device = this.network.newDevice();
    this.device = device;
    const inside = ['unshare', '--net', '--', '/bin/sh', '-c', pause, 'sh', String(process.pid), device];
    const child = spawn('/bin/sh', this.joining(newId(), inside), { stdio: 'pipe', detached: true });
    const ended = once(child, 'exit').catch(() => undefined);
    if (child.pid === undefined) {
      throw new Error('no process could be started for the network namespace');
    }
    const holder: Holder = { pid: child.pid, hasEnded: false, ended };
    watchdog.guard(holder.pid);
    void ended.then(() => {
      holder.hasEnded = true;
      watchdog.release(holder.pid);
    });
    this.holder = holder;
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint += text;
    });
    child.stdin.on('error', () => undefined).end(`${bridge.podCommands(address).join('\n')}\n`);
    const isReady = await Promise.race([once(child.stdout, 'data').then(() => true), ended.then(() => false)]);
    if (!isReady) {
      throw new Error(`the network namespace could not be made: ${complaint.trim()}`);
    }
    await runCommand(watchdog, ['ip', 'link', 'set', device, 'master', bridge.device, 'up']);
  }

  newRun(): ContainerRun {
    const id = newId();
    return {
      id,
      enter: (launch) => this.enter(launch, id),
      end: () => void this.network.cgroups.remove(`${this.cgroup}/${id}`),
    };
  }

  async close(): Promise<void> {
    if (this.released) {
      return;
    }
    this.released = true;
    const { cgroups, watchdog } = this.network;
    await cgroups.remove(this.cgroup);
    await this.holder?.ended;
    if (this.device !== undefined) {
      // Connections that nobody closed may keep the namespace for minutes; otherwise it is gone already.
      await runCommand(watchdog, ['ip', 'link', 'delete', 'dev', this.device]).catch(() => undefined);
    }
    if (this.own !== undefined) {
      this.network.bridge.block.pods.release(this.own);
    }
  }

  private enter(launch: Launch, id: string): Launch {
    const { command, environment, workingDirectory } = launch;
    if (findProgram(command[0] ?? '', environment.PATH ?? '', workingDirectory) === undefined) {
      // Fails to start, and says why, as it would without all this.
      return launch;
    }
    // The shell would drop variables whose names are not its own kind, so that `env` sets them.
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const inside = ['/bin/sh', ...this.joining(id, ['env', '-i', '--', ...variables, ...command])];
    if (this.holder?.hasEnded) {
      throw new Error('somebody killed the process that held the network namespace of the pod');
    }
    const network = this.holder === undefined ? [] : ['nsenter', `--net=/proc/${this.holder.pid}/ns/net`, '--'];
    return {
      command: [...network, ...inside],
      environment: { PATH: process.env.PATH ?? '' },
      workingDirectory,
      saysWhenInside: true,
    };
  }

  /** Arguments for a shell that joins the container's cgroup and becomes the command. */
  private joining(id: string, command: readonly string[]): string[] {
    return ['-c', join, 'sh', ...this.network.cgroups.make(`${this.cgroup}/${id}`), '--', ...command];
  }
}

/** An identity like those that container runtimes give. */
function newId(): string {
  return randomBytes(32).toString('hex');
}
