import type { Target } from '../api/injection.js';
import type { KubeObject } from '../kubernetes/resource.js';
import { readBootId } from './boot-clock.js';
import type { Place, RunProgram } from './place.js';

/** What tells a network namespace apart, as an undo record holds it. */
export interface KnownPlace {
  bootId: string;
  networkNamespace: string;
  /** The pod it was; without it a namespace that got the same number later is taken for the same. */
  target?: Target;
}

/** Finds the network namespaces and processes of the pods of one node, and nobody else's. */
export class NodePlaces {
  readonly #procRoot: string;

  constructor({ procRoot = '/proc' }: { procRoot?: string; run: RunProgram }) {
    this.#procRoot = procRoot;
  }

  /**
   * Finds a pod and verifies that it is the one: before each step on it.
   * @throws RefusedError when agents must not or can't touch it, saying what would help
   * @throws TargetGoneError when it has ended
   */
  async find(_pod: KubeObject): Promise<Place> {
    throw new Error('not yet');
  }

  /**
   * Finds what a record names again, to take back what is there, also when the API server doesn't know the pod any more
   * or no process is left in a namespace that the runtime keeps for the pod.
   * @throws TargetGoneError when nothing of it is left, as `isGone` says
   */
  async findAgain(_known: KnownPlace & { target: Target }): Promise<Place> {
    throw new Error('not yet');
  }

  /** Whether nothing of a network namespace is left: another boot, or no process is in it and no runtime keeps it. */
  async isGone(_known: KnownPlace): Promise<boolean> {
    throw new Error('not yet');
  }

  /** Identifies this boot of the node. */
  bootId(): Promise<string> {
    return readBootId(this.#procRoot);
  }
}
