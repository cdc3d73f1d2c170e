import { apiVersionOf, type ResourceType } from '../resources/resource-type.js';
import type { Catalogue } from '../resources/served-kinds.js';
import type { Json } from '../store/types.js';

/** `GET /version`. The Kubernetes version is the one whose behaviour the sandbox follows. */
export const VERSION = {
  major: '1',
  minor: '34',
  gitVersion: 'v1.34.0+squall-sandbox',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: 'node',
  platform: `${process.platform}/${process.arch}`,
};

/** Answers the discovery paths: `/api`, `/apis`, `/apis/<group>` and each group's version. Undefined for others. */
export function discover(catalogue: Catalogue, path: string): Json {
  const parts = path.split('/').filter((part) => part !== '');
  if (parts[0] === 'api' && parts.length === 1) {
    return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] };
  }
  if (parts[0] === 'api' && parts.length === 2) {
    return resourceList(catalogue, '', parts[1]!);
  }
  if (parts[0] !== 'apis') {
    return undefined;
  }
  if (parts.length === 1) {
    return { kind: 'APIGroupList', apiVersion: 'v1', groups: catalogue.groups().map(groupOf) };
  }
  return parts.length === 2 ? oneGroup(catalogue, parts[1]!) : resourceList(catalogue, parts[1]!, parts[2]!);
}

function oneGroup(catalogue: Catalogue, name: string): Json {
  const group = catalogue.groups().find((candidate) => candidate.name === name);
  return group === undefined ? undefined : { kind: 'APIGroup', apiVersion: 'v1', ...groupOf(group) };
}

function groupOf({ name, versions }: { name: string; versions: string[] }): Json {
  const entries = versions.map((version) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: entries, preferredVersion: entries[0] };
}

function resourceList(catalogue: Catalogue, group: string, version: string): Json {
  const types = catalogue.of(group, version);
  if (types.length === 0) {
    return undefined;
  }
  const groupVersion = apiVersionOf(types[0]!);
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: types.flatMap(resourcesOf) };
}

function resourcesOf(type: ResourceType): Json[] {
  const { plural, singular, namespaced, kind, verbs, shortNames, categories } = type;
  const main = {
    name: plural,
    singularName: singular,
    namespaced,
    kind,
    verbs,
    shortNames: shortNames.length > 0 ? shortNames : undefined,
    categories: categories.length > 0 ? categories : undefined,
  };
  const below = type.subresources.map(({ name, ...rest }) => ({
    name: `${plural}/${name}`,
    singularName: '',
    namespaced,
    ...rest,
  }));
  return [main, ...below];
}
