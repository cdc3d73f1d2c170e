import type { ExperimentRun, ProbeStage, RunStatus } from '../api/experiment-run.js';
import type { Injection, InjectionSpec, InjectionState, Target } from '../api/injection.js';
import type { WindowSummary } from '../stats/window.js';
import type { Holding, Reservation, Survey } from './survey.js';

/** What of an object matters to a draw. Times in milliseconds since the epoch, in API-server time. */
export interface Candidate {
  /** Undefined: a pod. */
  kind?: Target['kind'];
  namespace: string;
  name: string;
  uid: string;
  createdAt: number;
  ready: boolean;
  terminating: boolean;
  completed: boolean;
  /** It must never be hit. */
  protected: boolean;
  /** A controller would make another one for it. */
  managed: boolean;
  /** It belongs to an embedded cluster and only sleeps. */
  standIn: boolean;
  /** How long it may take to end once it is deleted. */
  graceSeconds: number;
  /** The name of its node; `''` before it has one. For a node its own name. */
  node: string;
  /** The zone of that node, where it is known and it has one. */
  zone?: string;
  /** The workload it belongs to, as `Deployment/web`; undefined: none. */
  workload?: string;
  labels?: Readonly<Record<string, string>>;
  /** Why it is left out unless it is named. */
  reserved?: 'controlPlane' | 'controllerNode';
  /** Why the fault can't be put on it: it is in the middle of something, or held by another run. */
  obstacle?: 'rollingOut' | 'unsuitable' | 'inUse' | 'notAllowed';
  /** A node that is cordoned, or has a taint that keeps pods away. */
  unschedulable?: true;
  /** Of a workload: something else scales it. */
  autoscaled?: boolean;
  /** At least one of its containers runs. */
  running: boolean;
  /** No agent can put a fault on it: it uses the network of its node, or is static. */
  unreachable: boolean;
  /** Why no ephemeral container of ours can be added to it, in words; undefined: one can. */
  sidecarRefusal?: string;
}

/** What the domain needs to know of a step's fault. */
export interface StepFacts {
  fault: string;
  oneShot: boolean;
  /** Who carries it out. */
  by: 'ApiServer' | 'Agent';
  /** It takes pods away, so that those nothing would replace are left out unless asked for. */
  removesPods: boolean;
  /** It takes pods out of service, which safeguards count as lost. */
  disrupts: boolean;
  repeatEveryMilliseconds?: number;
  /** It evicts pods from the nodes that it is put on, which the API server checks against disruption budgets only. */
  evicts?: true;
  /** How many pods it leaves of the workload that it is put on; undefined: it does not change how many there are. */
  scalesTo?: { count: number } | { percent: number };
  /** It keeps autoscalers from scaling the workload back; those it does not keep from that are left out. */
  pausesAutoscaler?: true;
  /** Disruption budgets are to hold it back on every target; where it goes through the hypothesis is violated. */
  heldBack?: true;
}

/** What is known of a node that agents are needed on. Times in milliseconds since the epoch, in API-server time. */
export interface NodeFacts {
  /** When all of this was read. */
  readAt: number;
  /** When the agent said last that it is alive; undefined: there is none. */
  renewedAt?: number;
  /** Why no agent can run there, in a sentence, if that is known. */
  hint?: string;
  /** What tells a boot of the node from the one before, if the agent and the kubelet agree on it. */
  bootId?: string;
  /** By the name of the step: why the agent can't carry out its fault there; those it can are left out. */
  refusals: Readonly<Record<string, string>>;
  /** By the name of the step: why no sidecar can, whatever the pod; those one can are left out. */
  sidecarRefusals: Readonly<Record<string, string>>;
}

/** What one probe measured in one stage. */
export interface ProbeWindow {
  /** All samples of the stage; in `After` only the newest `minSamples`. */
  summary: WindowSummary;
  /** What went wrong on our side last, for people. */
  ownError?: string;
  /** When the oldest sample of `summary` was meant to be sent, in API-server time. */
  firstAt?: number;
  /** Only in `After`: since when samples have come without a gap, in API-server time. */
  watchedSince?: number;
  /** Whether all samples of a stage that has passed are in; those that are under way may still change it. */
  settled: boolean;
  /** How many samples the stage needs before it is judged. */
  minSamples: number;
  /** About how long it takes to get that many, in milliseconds, timeouts included. */
  samplingMilliseconds: number;
}

/** All that `decideRun` may look at. */
export interface RunObserved {
  run: ExperimentRun;
  /** By the name of the step. */
  facts: Record<string, StepFacts>;
  /** Why the template can't be run, such as an expression that does not compile; empty when it can. */
  problems: string[];
  /** What the API server refuses the controller to do for this run, in its words. */
  refusal?: string;
  /** Policies that halt everything now, in words such as `policy squall-halt: fire drill`. */
  halts: string[];
  /** The pods each step's targets name, by step; undefined until they are known. */
  candidates: Record<string, Candidate[]> | undefined;
  /**
   * By the step, names of nodes beside its candidates that are Ready and take pods; of those that are too many to matter,
   * only some. Left out: there are none.
   */
  spareNodes?: Readonly<Record<string, readonly string[]>>;
  /** All injections that carry this run's UID. */
  injections: Injection[];
  /** By name, what is known of the nodes that a decision has asked for. */
  nodes: ReadonlyMap<string, NodeFacts>;
  /** What the last look at rights and safeguards has brought; undefined before the first. */
  survey?: Survey;
  /** Why the latest look has failed; undefined when it has not. */
  surveyFailure?: string;
  /** What all other runs hold now, of those that are not over. */
  reservations: readonly Reservation[];
  /** By the name of the probe, the stages measured by this process. */
  windows: Record<string, Partial<Record<ProbeStage, ProbeWindow>>>;
}

/** An injection to be made. */
export interface NewInjection {
  name: string;
  spec: InjectionSpec;
  /** A finalizer keeps it until its fault is proven gone. A one-shot fault has nothing that it would be kept for. */
  held: boolean;
}

/** Something to do for a run. Doing it twice is doing it once. */
export type RunAction =
  | { do: 'addFinalizer' }
  | { do: 'removeFinalizer' }
  | { do: 'createInjection'; injection: NewInjection }
  | { do: 'setInjectionState'; name: string; state: InjectionState }
  | { do: 'deleteInjection'; name: string; uid: string };

/** Something to tell people through a Kubernetes Event; `pod` when it is about one of the targets. */
export interface DomainEvent {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  pod?: Target;
}

/**
 * What to do about a run. The actions come first, in order; only when all of them succeeded is `status` written, and
 * events are sent after that.
 */
export interface RunDecision {
  status: RunStatus;
  actions: RunAction[];
  events: DomainEvent[];
  /** The stage whose samples are to be taken now; undefined: none. */
  probing?: ProbeStage;
  /** The nodes that have to be known from now on; a change to what is known of one is a reason to look again. */
  nodes: readonly string[];
  /** A survey that began at this time or later is asked for, in API-server time. */
  surveyFrom?: number;
  /** What this run holds from now on; nobody else may count on it. */
  reserves: Holding;
  /** When to look again though nothing changed, in API-server time. */
  wakeAt?: number;
}
