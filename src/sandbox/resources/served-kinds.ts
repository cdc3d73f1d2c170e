import { BUILT_IN_TYPES } from './built-in.js';
import type { ResourceType } from './resource-type.js';

/** A group with the versions it is served in, the preferred one first. */
export interface ApiGroup {
  name: string;
  versions: string[];
}

/** All kinds the server knows at the moment: the built-in ones and those of established CRDs. */
export class Catalogue {
  private readonly types = new Map<string, ResourceType>();
  /** CRD name to the keys of its versions. */
  private readonly custom = new Map<string, string[]>();

  constructor(builtIn: readonly ResourceType[] = BUILT_IN_TYPES) {
    for (const type of builtIn) {
      this.types.set(keyOf(type.group, type.version, type.plural), type);
    }
  }

  /** The kind served at a path, or undefined. */
  find(group: string, version: string, plural: string): ResourceType | undefined {
    return this.types.get(keyOf(group, version, plural));
  }

  /** All kinds of a group and version. */
  of(group: string, version: string): ResourceType[] {
    return [...this.types.values()].filter((type) => type.group === group && type.version === version);
  }

  /** Every kind served, each version of it. */
  all(): ResourceType[] {
    return [...this.types.values()];
  }

  /** All groups but the core one. */
  groups(): ApiGroup[] {
    const groups = new Map<string, string[]>();
    for (const { group, version } of this.types.values()) {
      const versions = groups.get(group) ?? [];
      groups.set(group, versions.includes(version) ? versions : [...versions, version]);
    }
    groups.delete('');
    return [...groups].map(([name, versions]) => ({ name, versions: versions.sort(comparePriority) }));
  }

  /** Serves the versions of a CRD, in place of those it had. */
  setCustom(crdName: string, types: ResourceType[]): void {
    this.removeCustom(crdName);
    const keys = types.map((type) => keyOf(type.group, type.version, type.plural));
    types.forEach((type, index) => {
      this.types.set(keys[index]!, type);
    });
    this.custom.set(crdName, keys);
  }

  /** Stops serving a CRD. */
  removeCustom(crdName: string): void {
    for (const key of this.custom.get(crdName) ?? []) {
      this.types.delete(key);
    }
    this.custom.delete(crdName);
  }
}

function keyOf(group: string, version: string, plural: string): string {
  return `${group}/${version}/${plural}`;
}

/** Orders versions as discovery does: v2, v1, v1beta2, v1beta1, v1alpha1, then anything else by name. */
export function comparePriority(left: string, right: string): number {
  const [a, b] = [priority(left), priority(right)];
  for (let index = 0; index < a.length; index += 1) {
    if (a[index] !== b[index]) {
      return b[index]! - a[index]!;
    }
  }
  return left < right ? -1 : 1;
}

function priority(version: string): number[] {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (match === null) {
    return [0, 0, 0];
  }
  const stability = match[2] === undefined ? 3 : match[2] === 'beta' ? 2 : 1;
  return [stability, Number(match[1]), Number(match[3] ?? 0)];
}
