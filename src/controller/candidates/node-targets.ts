import { ANNOTATION_UNDO_PREFIX, LABEL_PART_OF, LABEL_PROTECTED, PART_OF } from '../../api/labels.js';
import { selectorText } from '../../api/selector.js';
import type { Targets } from '../../api/targets.js';
import type { Candidate } from '../../domain/observed.js';
import { type Json, type KubeObject, nodes } from '../../kubernetes/resource.js';
import type { WatchOptions } from './watched-candidates.js';
import { WatchedCandidates, type WatchSelection } from './watched-candidates.js';

/** See https://kubernetes.io/docs/reference/labels-annotations-taints/ */
const LABEL_ZONE = 'topology.kubernetes.io/zone';
const CONTROL_PLANE_LABELS = ['node-role.kubernetes.io/control-plane', 'node-role.kubernetes.io/master'];

/** With so many others that are Ready it makes no difference how many more there are. */
const MOST_SPARES = 100;

/** Which nodes are candidates. */
export interface NodeSelection {
  /** What is watched; a node is selected by one of them at most. */
  watches: WatchSelection[];
  /** They were named, so that it does not matter whether others are left. */
  named: boolean;
}

/** The nodes that `targets.nodes` means. */
export function nodesOf({ names, selector }: NonNullable<Targets['nodes']>): NodeSelection {
  if (names) return { watches: names.map((name) => ({ fieldSelector: `metadata.name=${name}` })), named: true };
  return { watches: [{ labelSelector: selectorText(selector ?? {}) }], named: false };
}

/** The nodes of the zones that `targets.zones` means; without names, of all zones. */
export function nodesOfZones({ names }: NonNullable<Targets['zones']>): NodeSelection {
  return { watches: [{ labelSelector: names ? inZones(names) : LABEL_ZONE }], named: false };
}

/** The label selector of the nodes of these zones. */
export function inZones(names: readonly string[]): string {
  return `${LABEL_ZONE} in (${names.join(',')})`;
}

/** Watches the nodes that one step's targets name, and nothing else of the cluster. Memory grows with the targets. */
export class NodeTargets extends WatchedCandidates<Candidate> {
  #spares: readonly string[] = [];

  constructor(
    options: WatchOptions,
    readonly selection: NodeSelection,
  ) {
    super(options);
  }

  /** The first 100 nodes that are Ready, take pods and are no candidates, as it was when the watch began. */
  spares(): readonly string[] {
    return this.#spares;
  }

  protected override async begin(): Promise<void> {
    const { ownNode } = this.options;
    for (const watch of this.selection.watches) {
      this.watchCandidates(nodes, watch, (node) => projectNode(node, ownNode));
    }
  }

  protected override async complete(candidates: readonly Candidate[]): Promise<void> {
    if (this.selection.named) return;
    const known = new Set(candidates.map(({ name }) => name));
    const found: string[] = [];
    for await (const { items, restarted } of this.options.client.listAll(nodes, { limit: MOST_SPARES })) {
      if (restarted) found.length = 0;
      for (const node of items) {
        const { name, ready, unschedulable } = projectNode(node, undefined);
        if (ready && !unschedulable && !known.has(name)) found.push(name);
      }
      if (found.length >= MOST_SPARES) break;
    }
    this.#spares = found;
  }
}

/** Keeps of a node what a draw looks at. `ownNode` is the one that the controller runs on. */
export function projectNode({ metadata, spec, status }: KubeObject, ownNode: string | undefined): Candidate {
  const { name = '', labels = {} } = metadata;
  const conditions: Json[] = status?.conditions ?? [];
  const zone = labels[LABEL_ZONE];
  const reserved = reservation(name, labels, ownNode);
  const isInUse = Object.keys(metadata.annotations ?? {}).some((key) => key.startsWith(ANNOTATION_UNDO_PREFIX));
  return {
    kind: 'Node',
    namespace: '',
    name,
    uid: metadata.uid ?? '',
    createdAt: Date.parse(metadata.creationTimestamp ?? ''),
    ready: conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    terminating: metadata.deletionTimestamp !== undefined,
    completed: false,
    protected: labels[LABEL_PROTECTED] === 'true' || labels[LABEL_PART_OF] === PART_OF,
    managed: true,
    standIn: false,
    graceSeconds: 0,
    node: name,
    labels,
    ...(zone !== undefined && zone !== '' && { zone }),
    ...(isClosed(spec) && { unschedulable: true }),
    ...(reserved && { reserved }),
    ...(isInUse && { obstacle: 'inUse' }),
    running: true,
    unreachable: false,
  };
}

function reservation(
  name: string,
  labels: Record<string, string>,
  ownNode: string | undefined,
): Candidate['reserved'] | undefined {
  if (CONTROL_PLANE_LABELS.some((label) => label in labels)) return 'controlPlane';
  return name === ownNode ? 'controllerNode' : undefined;
}

/** Whether a node takes no pods that do not tolerate it particularly. */
function isClosed(spec: Json): boolean {
  const taints: Json[] = spec?.taints ?? [];
  return spec?.unschedulable === true || taints.some(({ effect }) => effect === 'NoSchedule' || effect === 'NoExecute');
}
