import type { Target } from '../api/injection.js';
import { podIPsOf } from '../kubernetes/pod.js';
import type { KubeObject } from '../kubernetes/resource.js';
import { readBootId } from './boot-clock.js';
import { isFolderOf } from './cgroup-path.js';
import { RefusedError, TargetGoneError } from './handler.js';
import { canonicalAddress, networkAddresses } from './network-addresses.js';
import { type EntranceContext, keptAt, NetworkEntrance } from './network-entrance.js';
import type { Place, RunProgram, TargetProcess } from './place.js';
import { refusalBySandbox, refusalBySpec } from './pod-refusal.js';
import { type PodProcess, Processes } from './processes.js';

/** What tells a network namespace apart, as an undo record holds it. */
export interface KnownPlace {
  bootId: string;
  networkNamespace: string;
  /** The pod it was: numbers of namespaces are used again. */
  target: Target;
}

/** A pod whose processes disagree about their namespace is looked at in this many. */
const MAX_NAMESPACES = 16;

/** The ways into this many pods are remembered. */
const MAX_KNOWN = 1_000;

/**
 * Finds the network namespaces and processes of the pods of one node, and nobody else's.
 *
 * A process by which a pod was found is remembered, and what is known of it verified anew each time: looking through all
 * processes of a node for each of a hundred targets would take longer than what is to be done to them.
 */
export class NodePlaces {
  readonly #context: EntranceContext;
  readonly #anchors = new Map<string, PodProcess>();

  /** @param procRoot a procfs of the node's own PID namespace */
  constructor({ procRoot = '/proc', run }: { procRoot?: string; run: RunProgram }) {
    this.#context = { procRoot, run, processes: new Processes(procRoot) };
  }

  /**
   * Finds a pod and verifies that it is the one, as must be done before each step: by the pod's UID in the cgroups of
   * processes, the one network namespace among theirs that is not the node's and holds all of `status.podIPs`. Other
   * addresses may be there as well, for a pod can have several interfaces.
   * @throws RefusedError when agents must not or can't touch it, saying why
   * @throws TargetGoneError when it has ended
   */
  async find(pod: KubeObject): Promise<Place> {
    const refusal = refusalBySpec(pod);
    if (refusal) throw new RefusedError(refusal);
    const uid = pod.metadata.uid ?? '';
    const anchor = this.#knownAnchor(uid);
    if (anchor && (await this.#holdsAddresses(anchor, pod))) return this.#place(pod, [anchor]);
    const found = await this.#context.processes.of(uid);
    if (found.length === 0) throw withoutProcess(pod);
    const containers = containersOf(pod);
    const sandboxed = refusalBySandbox(pod, found, ({ container }) => containers.find(container)?.name);
    if (sandboxed) throw new RefusedError(sandboxed);
    const inside = await this.#inNetworkOf(pod, found);
    this.#remember(uid, inside);
    return this.#place(pod, inside);
  }

  /**
   * Finds what a record names again, to take back what is there: also when the API server doesn't know the pod any more,
   * and when none of its processes is left in a namespace that the runtime keeps. The containers are only known by name
   * when the pod is given.
   * @throws TargetGoneError when nothing of it is left, as `isGone` says
   */
  async findAgain(known: KnownPlace, pod?: KubeObject): Promise<Place> {
    if (await this.isGone(known)) {
      throw new TargetGoneError(`nothing is left of ${known.target.namespace}/${known.target.name} on this node`);
    }
    const { uid, name, namespace } = known.target;
    const inside = await this.#inside(known.target, known.networkNamespace);
    return this.#place(pod ?? { metadata: { uid, name, namespace } }, inside, known.networkNamespace);
  }

  /**
   * Whether nothing of a network namespace is left: another boot, or no process of the pod is in it and no runtime keeps
   * it for the pod's next container. Others that are still in it, such as somebody's shell, are no target.
   */
  async isGone({ bootId, networkNamespace, target }: KnownPlace): Promise<boolean> {
    if (bootId !== (await this.bootId())) return true;
    if ((await this.#inside(target, networkNamespace)).length > 0) return false;
    return (await keptAt(this.#context.procRoot, networkNamespace)).length === 0;
  }

  /** Identifies this boot of the node. */
  bootId(): Promise<string> {
    return readBootId(this.#context.procRoot);
  }

  /** The process by which a pod was found last, as it is now. */
  #knownAnchor(uid: string): PodProcess | undefined {
    const known = this.#anchors.get(uid);
    if (!known) return undefined;
    const now = this.#context.processes.look(known.pid, uid);
    if (now?.startTime === known.startTime && now.networkNamespace === known.networkNamespace) return now;
    this.#anchors.delete(uid);
    return undefined;
  }

  #remember(uid: string, [first]: readonly PodProcess[]): void {
    if (!first) return;
    if (this.#anchors.size >= MAX_KNOWN) this.#anchors.clear();
    this.#anchors.set(uid, first);
  }

  async #holdsAddresses({ pid }: PodProcess, pod: KubeObject): Promise<boolean> {
    const addresses = await networkAddresses(this.#context.procRoot, pid);
    return podIPsOf(pod).every((address) => addresses.has(canonicalAddress(address)));
  }

  /** The processes in the one network namespace that holds all of the pod's addresses. */
  async #inNetworkOf(pod: KubeObject, found: readonly PodProcess[]): Promise<PodProcess[]> {
    const holding: PodProcess[][] = [];
    for (const group of byNamespace(found)) {
      if (group[0] && (await this.#holdsAddresses(group[0], pod))) holding.push(group);
    }
    const [inside] = holding;
    if (inside && holding.length === 1) return inside;
    const how = inside ? 'more than one' : 'none';
    throw new RefusedError(
      `of the network namespaces of the processes of ${nameOf(pod)}, ${how} holds its addresses ${podIPsOf(pod).join(' and ')}`,
    );
  }

  /** The processes of a pod in a network namespace, or one of them. */
  async #inside({ uid }: Target, networkNamespace: string): Promise<PodProcess[]> {
    const anchor = this.#knownAnchor(uid);
    if (anchor?.networkNamespace === networkNamespace) return [anchor];
    const found = await this.#context.processes.of(uid);
    const inside = found.filter((one) => one.networkNamespace === networkNamespace);
    this.#remember(uid, inside);
    return inside;
  }

  async #place(pod: KubeObject, inside: readonly PodProcess[], known?: string): Promise<Place> {
    const { uid = '', name = '', namespace = '' } = pod.metadata;
    const networkNamespace = known ?? inside[0]?.networkNamespace ?? '';
    const entrance = new NetworkEntrance(this.#context, uid, networkNamespace, inside);
    return {
      pod: { uid, name, namespace },
      networkNamespace,
      podIPs: podIPsOf(pod),
      run: (...how) => entrance.run(...how),
      enter: ['nsenter', `--net=${await entrance.path()}`, '--'],
      processes: () => this.#targetProcesses(pod),
    };
  }

  async #targetProcesses(pod: KubeObject): Promise<TargetProcess[]> {
    const { processes } = this.#context;
    const containers = containersOf(pod);
    const found = await processes.of(pod.metadata.uid ?? '');
    return Promise.all(
      found.map(async ({ pid, startTime, innerPid, name, container }) => {
        const known = containers.find(container);
        const commandLine = await processes.commandLine(pid);
        return {
          pid,
          startTime,
          innerPid,
          name,
          commandLine,
          container: known?.name,
          ephemeral: known?.ephemeral === true,
        };
      }),
    );
  }
}

function nameOf({ metadata }: KubeObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function withoutProcess(pod: KubeObject): Error {
  const { phase } = pod.status ?? {};
  if (phase === 'Succeeded' || phase === 'Failed') return new TargetGoneError(`${nameOf(pod)} has ended (${phase})`);
  if (pod.metadata.deletionTimestamp) return new TargetGoneError(`${nameOf(pod)} is being deleted and has ended`);
  return new RefusedError(
    `no process of ${nameOf(pod)} is to be seen on this node: none of its containers runs, or the agent's pod lacks hostPID`,
  );
}

/**
 * The network namespaces of a pod's processes, those that live longest first. Processes that something inside of a
 * container put into cgroups of their own are only asked when there are no others.
 */
function byNamespace(found: readonly PodProcess[]): PodProcess[][] {
  const direct = found.filter(({ nested }) => !nested);
  const groups = new Map<string, PodProcess[]>();
  for (const one of direct.length > 0 ? direct : found) {
    if (one.networkNamespace === undefined) continue;
    const group = groups.get(one.networkNamespace);
    if (group) group.push(one);
    else if (groups.size < MAX_NAMESPACES) groups.set(one.networkNamespace, [one]);
  }
  return [...groups.values()];
}

interface Container {
  id: string;
  name: string;
  ephemeral: boolean;
}

/** The containers of a pod as the API server knows them, with the ids of their last runs too. */
function containersOf({ status }: KubeObject): { find(folder: string): Container | undefined } {
  const kinds = ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'];
  const all: Container[] = kinds.flatMap((kind) =>
    (status?.[kind] ?? []).flatMap((one: { name: string; containerID?: string; lastState?: LastState }) =>
      [one.containerID, one.lastState?.terminated?.containerID].flatMap((id) =>
        id ? [{ id: id.replace(/^[^:]*:\/\//, ''), name: one.name, ephemeral: kind.startsWith('ephemeral') }] : [],
      ),
    ),
  );
  return { find: (folder) => all.find(({ id }) => isFolderOf(folder, id)) };
}

interface LastState {
  terminated?: { containerID?: string };
}
