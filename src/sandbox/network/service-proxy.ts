import { connect, createServer, type Server, type Socket } from 'node:net';
import type { EventRecorder } from '../controllers/events.js';
import type { Json, KubeObject, Store } from '../store/types.js';

const serviceLabel = 'kubernetes.io/service-name';

interface Backend {
  host: string;
  port: number;
}

/** One port of one Service: a listener on the cluster address while there is a pod to take the connections. */
interface ServicePort {
  host: string;
  port: number;
  backends: Backend[];
  server: Server | undefined;
  next: number;
}

/**
 * What kube-proxy does, in one process: TCP connections to a Service's cluster address go to its ready pods in turn.
 * With no ready pod nobody listens, so connections are refused at once, as kube-proxy's REJECT rule does. A connection
 * that stands is left alone until its pod or its client ends it.
 *
 * @param localAddress where its connections to pods come from; undefined: from wherever the kernel sends them
 */
export function startServiceProxy(
  store: Store,
  recorder: EventRecorder,
  localAddress: string | undefined,
): () => Promise<void> {
  const ports = new Map<string, ServicePort>();
  const sockets = new Set<Socket>();

  function syncService(namespace: string | undefined, name: string): void {
    const service = store.get('services', namespace, name);
    const prefix = `${namespace}/${name} `;
    const wanted = new Map<string, ServicePort>();
    for (const port of service === undefined ? [] : proxiedPorts(service)) {
      const host = service!.spec.clusterIP;
      const backends = backendsOf(store, service!, port.name ?? '');
      wanted.set(`${prefix}${host}:${port.port}`, { host, port: port.port, backends, server: undefined, next: 0 });
    }
    for (const [key, known] of ports) {
      if (key.startsWith(prefix) && !wanted.has(key)) {
        known.backends = [];
        listenOrClose(known, service);
        ports.delete(key);
      }
    }
    for (const [key, port] of wanted) {
      const known = ports.get(key) ?? port;
      known.backends = port.backends;
      ports.set(key, known);
      listenOrClose(known, service);
    }
  }

  function listenOrClose(port: ServicePort, service: KubeObject | undefined): void {
    if (port.backends.length === 0) {
      port.server?.close();
      port.server = undefined;
    } else if (port.server === undefined) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => forward(port, client));
      port.server = server;
      server.on('error', (error) => {
        port.server = undefined;
        if (service !== undefined) {
          recorder.warning(service, 'ListenFailed', `Could not listen on ${port.host}:${port.port}: ${error.message}`);
        }
      });
      server.listen(port.port, port.host);
    }
  }

  function forward(port: ServicePort, client: Socket): void {
    const backend = port.backends[port.next++ % port.backends.length];
    track(client);
    if (backend === undefined) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ ...backend, localAddress, allowHalfOpen: true, noDelay: true });
    track(upstream);
    client.pipe(upstream);
    upstream.pipe(client);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      one.on('error', () => other.resetAndDestroy());
      one.on('close', () => other.destroySoon());
    }
  }

  function track(socket: Socket): void {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
  }

  const stops = [
    store.subscribe('services', ({ object }) => syncService(object.metadata.namespace, object.metadata.name)),
    store.subscribe('endpointslices.discovery.k8s.io', ({ object }) => {
      const name = object.metadata.labels?.[serviceLabel];
      if (name !== undefined) {
        syncService(object.metadata.namespace, name);
      }
    }),
  ];
  for (const service of store.list('services')) {
    syncService(service.metadata.namespace, service.metadata.name);
  }

  return async () => {
    for (const stop of stops) {
      stop();
    }
    const servers = [...ports.values()].flatMap(({ server }) => (server === undefined ? [] : [server]));
    const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const socket of sockets) {
      socket.destroy();
    }
    await Promise.all(closed);
  };
}

function proxiedPorts({ spec }: KubeObject): Json[] {
  const address = spec?.clusterIP;
  if (!address || address === 'None' || spec.type === 'ExternalName') {
    return [];
  }
  return (spec.ports ?? []).filter((port: Json) => (port.protocol ?? 'TCP') === 'TCP');
}

function backendsOf(store: Store, service: KubeObject, portName: string): Backend[] {
  const slices = store
    .list('endpointslices.discovery.k8s.io', service.metadata.namespace)
    .filter((slice) => slice.metadata.labels?.[serviceLabel] === service.metadata.name);
  return slices.flatMap((slice) => {
    const port = (slice.ports ?? []).find((one: Json) => (one.name ?? '') === portName)?.port;
    const ready = (slice.endpoints ?? []).filter((endpoint: Json) => endpoint.conditions?.ready !== false);
    return port === undefined ? [] : ready.map((endpoint: Json) => ({ host: endpoint.addresses[0], port }));
  });
}
