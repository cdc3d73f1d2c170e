import {
  AGENT_LEASE_PREFIX,
  ANNOTATION_ABILITIES,
  ANNOTATION_AGENT_HINT,
  ANNOTATION_BOOT,
  ANNOTATION_NODE,
} from '../api/labels.js';
import { nodeMark } from '../api/node-mark.js';
import type { Client } from '../kubernetes/client.js';
import { ApiError } from '../kubernetes/errors.js';
import type { Lease } from '../kubernetes/lease.js';
import { inParallel } from '../kubernetes/parallel.js';
import { type KubeObject, leases, namespaces, nodes } from '../kubernetes/resource.js';

/** Up to so many Leases are read one by one; for more, all of them are listed. */
const MOST_SINGLE_READS = 50;
const READS_AT_ONCE = 16;
const LONGEST_BOOT_ID = 64;
const LONGEST_HINT = 300;

/** What was read of one node. Times in milliseconds since the epoch, in API-server time. */
export interface NodeRecord {
  readAt: number;
  renewedAt?: number;
  /** What its agent says it can do, as it stands on the Lease: not to be trusted. */
  abilities: string;
  bootId?: string;
  /** Why no agent can run there, as the node says it. */
  hint?: string;
}

/** Reads what tells whether there are agents on nodes, and what they can do. */
export class NodeReader {
  /** By node, what agent and kubelet said of its boot when both were asked. */
  readonly #boots = new Map<string, { said: string; bootId: string | undefined }>();
  /** By node without an agent, what it says of that. */
  readonly #hints = new Map<string, string | undefined>();

  /** `namespace` is Squall's own, where the agents' Leases are. */
  constructor(
    readonly client: Client,
    readonly namespace: string,
  ) {}

  /** Reads these nodes; throws what reading the Leases failed with. */
  async read(names: readonly string[]): Promise<Map<string, NodeRecord>> {
    const found = new Map<string, Lease>();
    if (names.length > MOST_SINGLE_READS) await this.#list(names, found);
    else await inParallel(READS_AT_ONCE, names, (name) => this.#get(name, found));
    const readAt = this.client.clock.now();
    const records = new Map<string, NodeRecord>();
    await inParallel(READS_AT_ONCE, names, async (name) => {
      records.set(name, await this.#record(name, found.get(name), readAt));
    });
    return records;
  }

  /** The boot id that the kubelet of a node reports; undefined when the node is gone or can't be read. */
  async bootIdOf(name: string): Promise<string | undefined> {
    const node = await this.#node(name);
    return textOf(node?.status?.nodeInfo?.bootID, LONGEST_BOOT_ID);
  }

  /** Why no ephemeral container with NET_ADMIN may be added to pods of a namespace; undefined: one may. */
  async namespaceRefusal(name: string): Promise<string | undefined> {
    const found = await this.client.get(namespaces, undefined, name).catch((error: unknown) => {
      if (error instanceof ApiError && (error.isNotFound || error.isForbidden)) return undefined;
      throw error;
    });
    if (!found) return `the Pod Security level of namespace '${name}' can't be read`;
    return securityRefusal(name, found.metadata.labels);
  }

  /** Forgets the nodes that nobody asks for. */
  keep(names: ReadonlySet<string>): void {
    for (const known of [this.#boots, this.#hints]) {
      for (const name of known.keys()) if (!names.has(name)) known.delete(name);
    }
  }

  /** Undefined when it is gone, or may not be read: it only adds to what is known. */
  #node(name: string): Promise<KubeObject | undefined> {
    return this.client.get(nodes, undefined, name).catch((error: unknown) => {
      if (error instanceof ApiError && (error.isNotFound || error.isForbidden)) return undefined;
      throw error;
    });
  }

  async #get(name: string, found: Map<string, Lease>): Promise<void> {
    const lease = await this.client.get<Lease>(leases, this.namespace, leaseOf(name)).catch((error: unknown) => {
      if (error instanceof ApiError && error.isNotFound) return undefined;
      throw error;
    });
    if (lease) found.set(name, lease);
  }

  async #list(names: readonly string[], found: Map<string, Lease>): Promise<void> {
    const wanted = new Map(names.map((name) => [leaseOf(name), name]));
    for await (const page of this.client.listAll<Lease>(leases, { namespace: this.namespace })) {
      for (const lease of page.items) {
        const name = wanted.get(lease.metadata.name ?? '');
        if (name !== undefined) found.set(name, lease);
      }
    }
  }

  async #record(name: string, lease: Lease | undefined, readAt: number): Promise<NodeRecord> {
    const { annotations = {} } = lease?.metadata ?? {};
    const renewedAt = Date.parse(lease?.spec?.renewTime ?? '');
    // Two long names may have one mark.
    const isOther = annotations[ANNOTATION_NODE] !== undefined && annotations[ANNOTATION_NODE] !== name;
    if (!lease || isOther || !Number.isFinite(renewedAt)) {
      const hint = await this.#hint(name);
      return { readAt, abilities: '', ...(hint !== undefined && { hint }) };
    }
    const bootId = await this.#boot(name, textOf(annotations[ANNOTATION_BOOT], LONGEST_BOOT_ID));
    return {
      readAt,
      renewedAt,
      abilities: annotations[ANNOTATION_ABILITIES] ?? '',
      ...(bootId !== undefined && { bootId }),
    };
  }

  async #hint(name: string): Promise<string | undefined> {
    if (this.#hints.has(name)) return this.#hints.get(name);
    const node = await this.#node(name);
    const hint = node
      ? textOf(node.metadata.annotations?.[ANNOTATION_AGENT_HINT], LONGEST_HINT)
      : 'the node is gone, or the controller may not read it';
    this.#hints.set(name, hint);
    return hint;
  }

  /** A boot id is only good for a proof if the kubelet says the same: both can tell of the boot before for a while. */
  async #boot(name: string, said: string | undefined): Promise<string | undefined> {
    if (said === undefined) return undefined;
    const known = this.#boots.get(name);
    if (known?.said === said && known.bootId !== undefined) return known.bootId;
    const bootId = (await this.bootIdOf(name)) === said ? said : undefined;
    this.#boots.set(name, { said, bootId });
    return bootId;
  }
}

/** Why the labels of a namespace admit no ephemeral container with NET_ADMIN; undefined: they do. */
export function securityRefusal(namespace: string, labels: Readonly<Record<string, string>> = {}): string | undefined {
  const level = labels['pod-security.kubernetes.io/enforce'] ?? 'privileged';
  if (level === 'privileged') return undefined;
  return `namespace '${namespace}' enforces the Pod Security level '${level}', and a sidecar with NET_ADMIN needs 'privileged'`;
}

function leaseOf(node: string): string {
  return `${AGENT_LEASE_PREFIX}${nodeMark(node)}`;
}

/** A text that is not too long, or nothing. */
function textOf(value: unknown, longest: number): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= longest ? value : undefined;
}
