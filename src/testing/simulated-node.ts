import { type Handler, RefusedError, TargetGoneError } from '../agent/handler.js';
import type { Handlers } from '../agent/handlers.js';
import type { Place } from '../agent/place.js';
import type { Places } from '../agent/tools.js';
import type { Target } from '../api/injection.js';
import { type Abilities, abilities } from '../faults/abilities.js';
import type { AgentStep } from '../faults/step.js';
import type { KubeObject } from '../kubernetes/resource.js';

/** What a simulated handler writes down before it touches anything. */
export interface SimulatedUndo {
  id: string;
  networkNamespace: string;
}

/** What a test may have happen on a node. Each is called with the pod's UID before the thing is done. */
export interface NodeHooks {
  prepare?(uid: string): Promise<void> | void;
  apply?(uid: string): Promise<void> | void;
  hold?(uid: string): Promise<void> | void;
  revert?(uid: string): Promise<void> | void;
}

/** A node without processes: what a kernel would hold, which survives every agent. */
export class SimulatedNode {
  /** What is on, by the mark of its undo record; also what a crash left half done. */
  readonly effects = new Map<string, { uid: string; networkNamespace: string }>();
  /** Everything that was done, in order. */
  readonly done: { what: 'apply' | 'hold' | 'revert'; uid: string; id: string }[] = [];
  /** By the UID of their pods. */
  readonly namespaces = new Map<string, string>();
  hooks: NodeHooks = {};
  bootId = 'boot-1';
  /** Packets that every look counts. */
  packets = 1;
  #namespaces = 0;

  /** Has a pod run here, in a network namespace of its own; again for a new one. */
  run(uid: string): void {
    this.#namespaces += 1;
    for (const [id, effect] of this.effects) if (effect.uid === uid) this.effects.delete(id);
    this.namespaces.set(uid, `net:[${4_026_530_000 + this.#namespaces}]`);
  }

  /** Ends all that a pod has on this node. */
  end(uid: string): void {
    for (const [id, effect] of this.effects) if (effect.uid === uid) this.effects.delete(id);
    this.namespaces.delete(uid);
  }

  /** Somebody flushed what is on a pod. */
  flush(uid: string): void {
    for (const [id, effect] of this.effects) if (effect.uid === uid) this.effects.delete(id);
  }

  /** The UIDs of the pods that something is on. */
  get hit(): string[] {
    return [...this.effects.values()].map(({ uid }) => uid);
  }

  /** How often a thing was done to a pod. */
  count(what: 'apply' | 'hold' | 'revert', uid: string): number {
    return this.done.filter((one) => one.what === what && one.uid === uid).length;
  }

  get places(): Places {
    return {
      find: async ({ metadata: { namespace = '', name = '', uid = '' } }: KubeObject) =>
        this.#place({ namespace, name, uid }),
      findAgain: async ({ bootId, networkNamespace, target }) => {
        if (this.#isGone(bootId, networkNamespace)) throw new TargetGoneError('its network namespace is gone');
        return { ...this.#place(target), networkNamespace };
      },
      isGone: async ({ bootId, networkNamespace }) => this.#isGone(bootId, networkNamespace),
      bootId: async () => this.bootId,
    };
  }

  get handlers(): Handlers {
    const handler = this.#handler();
    return { traffic: handler, pause: handler, signal: handler } as Handlers;
  }

  /** All that a node may be able to do. */
  get abilities(): Abilities {
    return Object.fromEntries(abilities.map((name) => [name, ''])) as Record<keyof Abilities, string>;
  }

  #isGone(bootId: string, networkNamespace: string): boolean {
    return bootId !== this.bootId || ![...this.namespaces.values()].includes(networkNamespace);
  }

  #place(pod: Target): Place {
    const networkNamespace = this.namespaces.get(pod.uid);
    if (!networkNamespace) throw new TargetGoneError(`no process of ${pod.name} is on this node`);
    const run = async () => {
      throw new RefusedError('there are no programs on a simulated node');
    };
    return { pod, networkNamespace, podIPs: ['10.0.0.1'], run, enter: [], processes: async () => [] };
  }

  #handler(): Handler<AgentStep, SimulatedUndo> {
    const uidOf = (place: Place) => place.pod.uid;
    return {
      prepare: async (_step, place, id) => {
        await this.hooks.prepare?.(uidOf(place));
        return { id, networkNamespace: place.networkNamespace };
      },
      apply: async ({ id, networkNamespace }, place) => {
        await this.hooks.apply?.(uidOf(place));
        this.done.push({ what: 'apply', uid: uidOf(place), id });
        this.effects.set(id, { uid: uidOf(place), networkNamespace });
      },
      hold: async ({ id }, place) => {
        await this.hooks.hold?.(uidOf(place));
        this.done.push({ what: 'hold', uid: uidOf(place), id });
        const isOn = this.effects.has(id);
        const packets = this.packets * this.count('hold', uidOf(place));
        return { ...(!isOn && { drift: 'it was flushed' }), evidence: { packets }, effective: packets > 0 };
      },
      revert: async ({ id }, place) => {
        await this.hooks.revert?.(uidOf(place));
        this.done.push({ what: 'revert', uid: uidOf(place), id });
        this.effects.delete(id);
        return { packets: this.packets * this.count('hold', uidOf(place)) };
      },
    };
  }
}
