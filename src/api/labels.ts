/** Every label, annotation and finalizer of Squall, all under the one domain it owns. */

/** The API group of all kinds. */
export const GROUP = 'squall.dev';
/** The only version served. */
export const VERSION = 'v1alpha1';
/** `apiVersion` of all kinds. */
export const API_VERSION = `${GROUP}/${VERSION}`;

/** On runs and injections: the name of the Experiment the run was made from. */
export const LABEL_EXPERIMENT = `${GROUP}/experiment`;
/** On injections: the UID of the run they belong to. An owner reference across namespaces would get them deleted. */
export const LABEL_RUN_UID = `${GROUP}/run-uid`;
/** On injections: the step of the run's method. */
export const LABEL_STEP = `${GROUP}/step`;
/** On injections that a node agent carries out: the mark of the node, see `nodeMark`. */
export const LABEL_NODE = `${GROUP}/node`;
/** On pods, nodes, workloads and namespaces, `"true"`: never hit this one, nor what is in it. */
export const LABEL_PROTECTED = `${GROUP}/protected`;
/** On pods, nodes and namespaces, `"true"`: it may be hit where a SafetyPolicy admits only what is labelled so. */
export const LABEL_ALLOWED = `${GROUP}/allowed`;
/** On ClusterRoles, `"true"`: what they allow is added to what probes may read. */
export const LABEL_FOR_PROBES = `${GROUP}/aggregate-to-probes`;
/** On all that Squall installs; pods that carry it with the value `squall` are never hit. */
export const LABEL_PART_OF = 'app.kubernetes.io/part-of';
/** The value of `LABEL_PART_OF` on Squall's own objects. */
export const PART_OF = 'squall';

/** On Experiments: every change of the value starts one run. For people who live in Git. */
export const ANNOTATION_RUN_NOW = `${GROUP}/run-now`;
/**
 * On nodes and workloads that a fault has changed: this and eight hex digits that stand for the injection. The value is
 * the undo record, written together with the change, so that either both are there or none.
 */
export const ANNOTATION_UNDO_PREFIX = `undo.${GROUP}/`;
/** On runs: the file an Experiment was read from when `squall run` made the run. */
export const ANNOTATION_FILE = `${GROUP}/file`;
/** On Experiments: the verdict its author expects, such as `Failed`; read by the demo. */
export const ANNOTATION_EXPECTED_VERDICT = `${GROUP}/expected-verdict`;
/**
 * On runs: the verdict, written before the status says it. Whoever may write a status may not write this, so it tells a
 * verdict of the controller from one that somebody else wrote.
 */
export const ANNOTATION_VERDICT = `${GROUP}/verdict`;
/** On pods of an embedded cluster whose image has no command: the process only sleeps. */
export const ANNOTATION_STAND_IN = `${GROUP}/stand-in`;

/** On runs, from the first intent to the proven revert. */
export const FINALIZER = `${GROUP}/revert`;

/** The namespace Squall lives in unless told otherwise. Injections and the controller's Lease are there. */
export const DEFAULT_NAMESPACE = 'squall-system';
/** The SafetyPolicy that `squall halt` creates and `squall resume` deletes. */
export const HALT_POLICY = 'squall-halt';
/** The controller's leader-election Lease. */
export const CONTROLLER_LEASE = 'squall-controller';
/** The Lease of a node's agent is named this and the node's mark. */
export const AGENT_LEASE_PREFIX = 'squall-agent-';
/** On the Lease of an agent: what the node can do, as JSON; see `Abilities`. */
export const ANNOTATION_ABILITIES = `${GROUP}/abilities`;
/** On the Lease of an agent: the name of the node in full. */
export const ANNOTATION_NODE = `${GROUP}/node-name`;
/** On the Lease of an agent: the boot id of the node, as /proc/sys/kernel/random/boot_id says it. */
export const ANNOTATION_BOOT = `${GROUP}/boot-id`;
/** The names of our ephemeral containers begin with this. */
export const SIDECAR_PREFIX = 'squall-agent-';
/** On nodes: why no agent can run there and what would help, as a sentence; shown when an agent is missing. */
export const ANNOTATION_AGENT_HINT = `${GROUP}/agent-hint`;
