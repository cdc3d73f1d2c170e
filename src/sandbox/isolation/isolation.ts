import type { Launch } from '../kubelet/container-process.js';
import type { Watchdog } from '../kubelet/watchdog.js';
import type { AddressPool } from '../network/addresses.js';
import type { KubeObject } from '../store/types.js';

/**
 * How pods are kept apart. `namespaces`: each has a network namespace and cgroups of its own, as on a node. `loopback`: a
 * loopback address of its own, and nothing more.
 */
export type IsolationMode = 'namespaces' | 'loopback';

/** Namespaces where they work and the loopback elsewhere, or one of the two and nothing else. */
export type IsolationWish = 'auto' | IsolationMode;

/** One run of a container. */
export interface ContainerRun {
  /** What `containerID` says after `process://`; undefined: the number of its process. */
  id: string | undefined;
  /** How to start a command as a part of it, so that it is there from its first instruction on. */
  enter(launch: Launch): Launch;
  /** Kills what is left when its first process has ended. */
  end(): void;
}

/** What the containers of one pod share. */
export interface PodSandbox {
  /** The pod's addresses; the first is its `status.podIP`. */
  readonly addresses: readonly string[];
  /** Makes it, before anything is started in it. Rejects when that does not work; it can be tried again then. */
  open(): Promise<void>;
  newRun(): ContainerRun;
  /** Takes it away with all that is left in it. May be called again, and when it was never opened. */
  close(): Promise<void>;
}

/** How the pods of one sandbox are kept apart, and the addresses that all of them and the Services have. */
export interface Isolation {
  mode: IsolationMode;
  /** Why pods have no namespaces, in words for people; undefined when they have. */
  reason: string | undefined;
  nodes: AddressPool;
  services: AddressPool;
  /** Where connections to pods come from that are not the kubelet's; undefined: from wherever the kernel sends them. */
  proxyAddress: string | undefined;
  /** Where pods can reach this machine, and whether somebody who connects to that is one of them. */
  gateway: { address: string; admits(remoteAddress: string): boolean } | undefined;
  watchdog: Watchdog;
  /** A folder that vanishes with the sandbox, also when that is killed. */
  directory: string;
  /** What a pod's containers are going to share. Its addresses are taken from now on. */
  createSandbox(pod: KubeObject, hostIP: string): PodSandbox;
  /** Takes everything away; to be called when all pods are closed. */
  release(): Promise<void>;
}
