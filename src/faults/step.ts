import type { Peers, PortRange } from '../api/peers.js';

/** Something to do to a target, as data: a dry run can print it and one interpreter performs it. */
export type Step = ApiStep | AgentStep;

/** A step that the controller performs through the API server. */
export type ApiStep = DeletePod | SetFields | EmptyNode;

/** A step that an agent performs in the target's network namespace or on its processes. */
export type AgentStep = Traffic | TcpDelay | Signal | Pause;

/** Delete one pod, and only the pod with that UID. */
export interface DeletePod {
  do: 'deletePod';
  namespace: string;
  name: string;
  uid: string;
  /** Whole seconds between SIGTERM and SIGKILL, of which the kubelet makes 2 at least; undefined: the pod's own grace period. */
  gracePeriodSeconds?: number;
}

/** An object that a step changes, and only the one with that UID. */
export interface ObjectRef {
  kind: 'Node' | 'Deployment' | 'StatefulSet' | 'DaemonSet' | 'ReplicaSet' | 'HorizontalPodAutoscaler';
  /** `''` for a node. */
  namespace: string;
  name: string;
  /** Undefined: whichever has the name when the step is prepared, such as the autoscaler of a workload. */
  uid?: string;
}

/** One field that is ours while the fault is on. Only these are compared and restored; all others are everybody's. */
export type FieldChange =
  /** `spec.unschedulable` of a node. */
  | { field: 'unschedulable'; to: boolean }
  /** The taint of a node with this key and effect; see https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ */
  | { field: 'taint'; key: string; effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'; value?: string }
  /** `spec.replicas` of a workload: a number, or a percentage of those it has, rounded down. */
  | { field: 'replicas'; to: { count: number } | { percent: number } }
  /** Keeps the autoscaler of the workload from scaling it: both its bounds are set to what the workload is scaled to. */
  | { field: 'autoscalerBounds'; to: { count: number } | { percent: number } }
  /** `kubectl.kubernetes.io/restartedAt` of the pod template, set once to a value that stands for the injection; never restored. */
  | { field: 'restartedAt' };

/** Set fields of one object, and restore them when it is taken back, where nobody else has changed them meanwhile. */
export interface SetFields {
  do: 'setFields';
  object: ObjectRef;
  changes: FieldChange[];
}

/** Make a node's pods go away, other than those of DaemonSets and mirrors of static pods. There is nothing to take back. */
export interface EmptyNode {
  do: 'emptyNode';
  node: string;
  uid: string;
  /** `Evict` through the Eviction API, which keeps disruption budgets (KEP-85); `Delete` past them. */
  by: 'Evict' | 'Delete';
  /** Whole seconds; undefined: each pod's own grace period. */
  gracePeriodSeconds?: number;
  /** Also pods that have no controller, which nothing replaces. */
  unmanaged: boolean;
  /** Also pods with an emptyDir, whose data is lost. */
  emptyDirData: boolean;
  /** `Expect`: the fault is effective when a disruption budget has held a pod back, not when the node is empty. */
  budget: 'Respect' | 'Expect';
}

/** Which way traffic goes, seen from the target. */
export type Direction = 'Egress' | 'Ingress' | 'Both';

/** Which packets of a target are meant. */
export interface TrafficMatch {
  direction: Direction;
  /** The network device; undefined: the one that holds the pod's first address. */
  device?: string;
  /** Only traffic with these; undefined: with all. */
  peers?: Peers;
  /** Not the traffic with these. */
  except?: Peers;
  /** Only packets with one of these ports, on either side; endpoints among the peers have their own. undefined: all protocols and ports. */
  ports?: PortRange[];
  /** Whether probes that the kubelet sends to the pod's probe ports are hit too. */
  includeKubelet: boolean;
}

/** What netem does to a packet. Shares are from 0 to 1, times in milliseconds; see tc-netem(8). */
export interface Netem {
  delay?: {
    latencyMilliseconds: number;
    jitterMilliseconds?: number;
    correlation?: number;
    distribution?: 'normal' | 'pareto' | 'paretonormal';
  };
  /** `correlation` of each packet's fate with that of the one before it, below 1. */
  loss?: { share: number; correlation?: number };
  // netem keeps no share where fates are correlated: of 20 % with a correlation of 50 % it hits 3 %.
  duplicate?: { share: number };
  corrupt?: { share: number };
  reorder?: { share: number; gap?: number };
}

/** Do something to a share of a target's packets, in the kernel. */
export interface Traffic {
  do: 'traffic';
  match: TrafficMatch;
  /** Share of the matched packets that nft drops, above 0 up to 1; what is not dropped goes on to the others. */
  drop?: number;
  /** The most bits a second that all matched packets together get. */
  rateBitsPerSecond?: number;
  netem?: Netem;
}

/** Delay TCP connections from the target to listed peers and ports by a proxy in userspace, where the kernel has no netem. */
export interface TcpDelay {
  do: 'tcpDelay';
  /** Egress; with `peers` and TCP `ports`, or with peers that are services, which have ports of their own. */
  match: TrafficMatch;
  latencyMilliseconds: number;
  jitterMilliseconds?: number;
}

/** Send one signal to processes of the target, each once. */
export interface Signal {
  do: 'signal';
  /** A name such as `SIGKILL`. */
  signal: string;
  processes: ProcessMatch;
}

/** Keep processes of the target stopped (SIGSTOP) until it is taken back (SIGCONT). */
export interface Pause {
  do: 'pause';
  processes: ProcessMatch;
}

/** Which processes of a target are meant. */
export interface ProcessMatch {
  /** Only of these containers; undefined: of all but ephemeral ones. */
  containers?: string[];
  /** `Main`: each container's first process. Otherwise those whose name or command line matches this RE2 pattern. */
  which: 'Main' | { pattern: string };
}
