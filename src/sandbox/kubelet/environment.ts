import { dirname } from 'node:path';
import type { Json, KubeObject, Store } from '../store/types.js';

/** A container whose configuration can't be put together; the message is what `kubectl describe` shows. */
export class ContainerConfigError extends Error {
  override readonly name = 'ContainerConfigError';
}

/** Where a pod runs: the addresses its fieldRefs can ask for. */
export interface PodPlace {
  /** None while the pod has no network yet; the first one is its `podIP`. */
  podIPs: readonly string[];
  hostIP: string;
}

type Environment = Record<string, string>;

/**
 * The environment of a container: a minimal base, one pair of variables for each Service of the namespace, `envFrom`,
 * then `env`. Throws ContainerConfigError when something it refers to is missing.
 */
export function containerEnvironment(store: Store, pod: KubeObject, container: Json, place: PodPlace): Environment {
  const environment: Environment = {
    PATH: `${process.env.PATH ?? '/usr/bin:/bin'}:${dirname(process.execPath)}`,
    HOME: '/',
    HOSTNAME: pod.metadata.name,
    ...(pod.spec.enableServiceLinks === false ? {} : serviceVariables(store, pod.metadata.namespace)),
  };
  for (const source of container.envFrom ?? []) {
    Object.assign(environment, variablesFrom(store, pod, source));
  }
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom
      ? referredValue(store, pod, container, variable.valueFrom, place)
      : expandVariables(variable.value ?? '', environment);
    if (value !== undefined) {
      environment[variable.name] = value;
    }
  }
  return environment;
}

/** Replaces `$(NAME)` by the variable's value; `$$(NAME)` and unknown names stay, as in Kubernetes. */
export function expandVariables(text: string, environment: Environment): string {
  return text.replace(/\$(\$|\(([^)]*)\))/g, (match, rest: string, name: string | undefined) => {
    if (rest === '$') {
      return '$';
    }
    return environment[name!] ?? match;
  });
}

function serviceVariables(store: Store, namespace: string | undefined): Environment {
  const variables: Environment = {};
  for (const { metadata, spec } of store.list('services', namespace)) {
    const port = spec.ports?.[0]?.port;
    if (!spec.clusterIP || spec.clusterIP === 'None' || port === undefined) {
      continue;
    }
    const name = metadata.name.toUpperCase().replaceAll('-', '_');
    variables[`${name}_SERVICE_HOST`] = spec.clusterIP;
    variables[`${name}_SERVICE_PORT`] = String(port);
    for (const named of spec.ports.filter((one: Json) => one.name)) {
      variables[`${name}_SERVICE_PORT_${named.name.toUpperCase().replaceAll('-', '_')}`] = String(named.port);
    }
  }
  return variables;
}

function variablesFrom(store: Store, pod: KubeObject, source: Json): Environment {
  const prefix = source.prefix ?? '';
  const entries = source.configMapRef
    ? configData(store, pod, 'configmaps', source.configMapRef)
    : configData(store, pod, 'secrets', source.secretRef ?? {});
  return Object.fromEntries(Object.entries(entries ?? {}).map(([key, value]) => [`${prefix}${key}`, value]));
}

function referredValue(
  store: Store,
  pod: KubeObject,
  container: Json,
  from: Json,
  place: PodPlace,
): string | undefined {
  if (from.fieldRef) {
    return fieldValue(pod, from.fieldRef.fieldPath, place);
  }
  if (from.resourceFieldRef) {
    const [kind, name] = String(from.resourceFieldRef.resource).split('.');
    return String(container.resources?.[kind!]?.[name!] ?? 0);
  }
  const reference = from.configMapKeyRef ?? from.secretKeyRef ?? {};
  const resource = from.configMapKeyRef ? 'configmaps' : 'secrets';
  const value = configData(store, pod, resource, reference)?.[reference.key];
  if (value === undefined && !reference.optional) {
    const what = resource === 'configmaps' ? 'ConfigMap' : 'Secret';
    throw new ContainerConfigError(
      `couldn't find key ${reference.key} in ${what} ${pod.metadata.namespace}/${reference.name}`,
    );
  }
  return value;
}

function configData(store: Store, pod: KubeObject, resource: string, reference: Json): Environment | undefined {
  const found = store.get(resource, pod.metadata.namespace, reference.name);
  if (found === undefined) {
    if (reference.optional) {
      return undefined;
    }
    throw new ContainerConfigError(
      `${resource === 'configmaps' ? 'configmap' : 'secret'} "${reference.name}" not found`,
    );
  }
  if (resource === 'configmaps') {
    return found.data ?? {};
  }
  const decoded = Object.entries<string>(found.data ?? {});
  return Object.fromEntries(decoded.map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
}

function fieldValue(pod: KubeObject, path: string, place: PodPlace): string {
  const values: Record<string, string | undefined> = {
    'metadata.name': pod.metadata.name,
    'metadata.namespace': pod.metadata.namespace,
    'metadata.uid': pod.metadata.uid,
    'spec.nodeName': pod.spec.nodeName,
    'spec.serviceAccountName': pod.spec.serviceAccountName ?? 'default',
    'status.podIP': place.podIPs[0],
    'status.podIPs': place.podIPs.join(','),
    'status.hostIP': place.hostIP,
    'status.hostIPs': place.hostIP,
  };
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (keyed !== null) {
    return pod.metadata[keyed[1] as 'labels' | 'annotations']?.[keyed[2]!] ?? '';
  }
  if (!(path in values)) {
    throw new ContainerConfigError(`fieldRef ${path} is not supported`);
  }
  return values[path] ?? '';
}
