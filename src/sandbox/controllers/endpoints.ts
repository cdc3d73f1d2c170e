import type { Json, KubeObject } from '../store/types.js';
import type { ControllerContext } from './context.js';
import { type Controller, ownKey } from './controller.js';
import { controllerReference, isFinished, isReady, isTerminating, keyOf, splitKey } from './objects.js';
import { matchesLabels } from './selectors.js';

/** As many endpoints as the API allows in one slice, and as the Endpoints controller keeps at most. */
const maxEndpoints = 1_000;
const serviceLabel = 'kubernetes.io/service-name';

/** Keeps the EndpointSlices and the Endpoints of every Service that has a selector. */
export function endpointsController({ store, podsByNamespace }: ControllerContext): Controller {
  function reconcile(key: string): undefined {
    const [namespace, name] = splitKey(key);
    const service = store.get('services', namespace, name);
    if (service === undefined || isTerminating(service)) {
      // The slices go with their owner; Endpoints have none and are removed by name.
      removeIfThere('endpoints', namespace, name);
      return;
    }
    if (Object.keys(service.spec?.selector ?? {}).length === 0) {
      return;
    }
    const pods = [...podsByNamespace.get(namespace ?? '').values()].filter(
      (pod) => pod.status?.podIP && !isFinished(pod) && matchesLabels(service.spec.selector, pod.metadata.labels),
    );
    pods.sort((left, right) => (left.metadata.name < right.metadata.name ? -1 : 1));
    writeSlices(service, pods);
    writeEndpoints(service, pods);
  }

  function writeSlices(service: KubeObject, pods: KubeObject[]): void {
    const { namespace, name } = service.metadata;
    const groups = [...groupByPorts(service, pods).values()];
    const slices = groups.flatMap(({ ports, members }) => chunks(members).map((members) => ({ ports, members })));
    if (slices.length === 0) {
      slices.push({ ports: [], members: [] });
    }
    for (const [index, { ports, members }] of slices.entries()) {
      write('endpointslices.discovery.k8s.io', `${name}-${index}`, service, {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        addressType: 'IPv4',
        ports,
        endpoints: members.map((pod) => sliceEndpoint(service, pod)),
      });
    }
    for (const slice of store.list('endpointslices.discovery.k8s.io', namespace)) {
      const number = Number(slice.metadata.name.slice(name.length + 1));
      if (slice.metadata.labels?.[serviceLabel] === name && number >= slices.length && ownedBy(slice, service)) {
        store.delete('endpointslices.discovery.k8s.io', namespace, slice.metadata.name);
      }
    }
  }

  function writeEndpoints(service: KubeObject, pods: KubeObject[]): void {
    const present = pods.filter((pod) => !isTerminating(pod)).slice(0, maxEndpoints);
    const subsets = [...groupByPorts(service, present).values()].map(({ ports, members }) => ({
      addresses: nonEmpty(members.filter((pod) => counts(service, pod)).map(address)),
      notReadyAddresses: nonEmpty(members.filter((pod) => !counts(service, pod)).map(address)),
      ports,
    }));
    write('endpoints', service.metadata.name, service, { apiVersion: 'v1', kind: 'Endpoints', subsets });
  }

  function write(resource: string, name: string, service: KubeObject, content: Json): void {
    const { namespace } = service.metadata;
    if (store.get(resource, namespace, name) !== undefined) {
      store.update(resource, namespace, name, (draft) => Object.assign(draft, content));
      return;
    }
    const slice = content.kind === 'EndpointSlice';
    const labels = { ...service.metadata.labels };
    store.create(resource, {
      ...content,
      metadata: {
        name,
        namespace,
        labels: slice
          ? {
              ...labels,
              [serviceLabel]: service.metadata.name,
              'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
            }
          : labels,
        ownerReferences: slice ? [controllerReference(service)] : undefined,
      },
    });
  }

  function removeIfThere(resource: string, namespace: string | undefined, name: string): void {
    if (store.get(resource, namespace, name) !== undefined) {
      store.delete(resource, namespace, name);
    }
  }

  const servicesOf = (pod: KubeObject): string[] =>
    store
      .list('services', pod.metadata.namespace)
      .filter((service) => matchesLabels(service.spec?.selector, pod.metadata.labels))
      .map(keyOf);

  return {
    watches: {
      services: ownKey,
      pods: (pod, { previous }) => [...servicesOf(pod), ...(previous === undefined ? [] : servicesOf(previous))],
    },
    reconcile,
  };
}

/** Whether the pod takes connections through the Service. */
function counts(service: KubeObject, pod: KubeObject): boolean {
  return !isTerminating(pod) && (isReady(pod) || service.spec.publishNotReadyAddresses === true);
}

function sliceEndpoint(service: KubeObject, pod: KubeObject): Json {
  return {
    addresses: [pod.status.podIP],
    conditions: { ready: counts(service, pod), serving: isReady(pod), terminating: isTerminating(pod) },
    nodeName: pod.spec.nodeName,
    targetRef: reference(pod),
  };
}

function address(pod: KubeObject): Json {
  return { ip: pod.status.podIP, nodeName: pod.spec.nodeName, targetRef: reference(pod) };
}

function reference(pod: KubeObject): Json {
  return { kind: 'Pod', namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.metadata.uid };
}

/** Pods by what the Service's ports are on them: a named target port may be another number on each pod. */
function groupByPorts(service: KubeObject, pods: KubeObject[]) {
  const groups = new Map<string, { ports: Json[]; members: KubeObject[] }>();
  for (const pod of pods) {
    const ports = (service.spec.ports ?? []).flatMap((port: Json) => {
      const number = targetPort(port, pod);
      const { name, protocol = 'TCP' } = port;
      return number === undefined ? [] : [{ name: name ?? '', port: number, protocol }];
    });
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, members: [] as KubeObject[] };
    group.members.push(pod);
    groups.set(key, group);
  }
  return groups;
}

function targetPort(port: Json, pod: KubeObject): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === 'number') {
    return target;
  }
  const ports: Json[] = pod.spec.containers.flatMap((container: Json) => container.ports ?? []);
  return ports.find(({ name }) => name === target)?.containerPort;
}

function chunks(pods: KubeObject[]): KubeObject[][] {
  const count = Math.ceil(pods.length / maxEndpoints);
  return Array.from({ length: count }, (_, index) => pods.slice(index * maxEndpoints, (index + 1) * maxEndpoints));
}

function nonEmpty<T>(list: T[]): T[] | undefined {
  return list.length > 0 ? list : undefined;
}

function ownedBy(object: KubeObject, owner: KubeObject): boolean {
  return (object.metadata.ownerReferences ?? []).some(({ uid }) => uid === owner.metadata.uid);
}
