import type { KubeObject } from '../../kubernetes/resource.js';
import { type PlanKindName, planKinds } from './kinds.js';

/** Something that could not be read, and why. */
export interface LeftOut {
  kind: PlanKindName;
  why: string;
}

/** What plans are made from, live or from a snapshot: objects of few fields, and when they were read. */
export class Contents {
  readonly #objects = new Map<PlanKindName, KubeObject[]>();
  readonly leftOut: LeftOut[] = [];

  /**
   * @param readAt when the reading began, in milliseconds since the epoch, in API-server time
   * @param serverVersion such as `v1.34.1`
   * @param systemNamespace Squall's own
   * @param namespaces those whose objects were read; undefined: all
   */
  constructor(
    readonly readAt: number,
    readonly serverVersion: string,
    readonly systemNamespace: string,
    readonly namespaces: readonly string[] | undefined,
  ) {}

  add(kind: PlanKindName, objects: readonly KubeObject[]): void {
    const known = this.#objects.get(kind);
    if (known) for (const object of objects) known.push(object);
    else this.#objects.set(kind, [...objects]);
  }

  /** Forgets what was read of a kind, in one namespace if it is given: the list has started again. */
  drop(kind: PlanKindName, namespace: string | undefined): void {
    const isOther = ({ metadata }: KubeObject) => namespace !== undefined && metadata.namespace !== namespace;
    this.#objects.set(kind, this.list(kind).filter(isOther));
  }

  list(kind: PlanKindName): readonly KubeObject[] {
    return this.#objects.get(kind) ?? [];
  }

  /** Those of one namespace. */
  in(kind: PlanKindName, namespace: string): readonly KubeObject[] {
    return this.list(kind).filter(({ metadata }) => metadata.namespace === namespace);
  }

  /** Why the objects of a kind are not all there, in words; undefined: they are. */
  lacks(kind: PlanKindName): string | undefined {
    const found = this.leftOut.find((each) => each.kind === kind);
    return found && `${planKinds[kind].resource.plural} could not be read: ${found.why}`;
  }
}
