import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError, badRequest, forbidden } from '../api-error.js';
import { createKnobs, faultError, type Knobs, type RequestFault } from '../knobs.js';
import { createAuthorizer } from '../rbac/authorizer.js';
import { createDefaultRoles } from '../rbac/default-roles.js';
import { Catalogue } from '../resources/served-kinds.js';
import type { ServerStore } from '../store/store.js';
import { type ServerContext, sendJson } from './context.js';
import { serveCustomResources } from './custom-resources.js';
import type { LogSource } from './log-source.js';
import { route } from './router.js';
import { Snapshots } from './snapshots.js';
import { createTokens } from './tokens.js';
import { WatchRegistry } from './watches.js';

const HOST = '127.0.0.1';
/** As a real API server's: longer than clients keep connections, so that none is closed as it is used again. */
const IDLE_TIMEOUT_MS = 90_000;

export interface ApiServerOptions {
  store: ServerStore;
  /** The port to listen on; any free one when absent. */
  port?: number;
  /** Faults for tests; see `createKnobs`. */
  knobs?: Knobs;
  /** Where `pods/log` finds output; without it every container is still starting. */
  logs?: LogSource;
}

/** A running API server. */
export interface ApiServer {
  /** Such as `http://127.0.0.1:41234`. */
  url: string;
  knobs: Knobs;
  /** Ends all watches, closes all connections and stops listening. The store stays as it is. */
  close(): Promise<void>;
}

/**
 * Serves a store as the Kubernetes API, in plain HTTP on loopback. Requests from web pages are refused: whoever can
 * create a pod here can run a process. Rejects when the port is taken.
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { store, knobs = createKnobs(), logs } = options;
  const now = () => knobs.now();
  const catalogue = new Catalogue();
  const watches = new WatchRegistry();
  const snapshots = new Snapshots();
  createDefaultRoles(store);
  const authorizer = createAuthorizer(store);
  const tokens = createTokens(store, now);
  const context: ServerContext = { store, catalogue, knobs, snapshots, watches, authorizer, tokens, logs, now };
  const stopCustom = serveCustomResources(context);
  const server = createServer((request, response) => void answer(context, request, response));
  server.keepAliveTimeout = IDLE_TIMEOUT_MS;
  try {
    await listen(server, options.port ?? 0);
  } catch (error) {
    stopCustom();
    authorizer.stop();
    throw error;
  }
  const { port } = server.address() as AddressInfo;

  const stopped = new AbortController();
  knobs.attach({
    dropWatches: (resource) => watches.drop(resource),
    hangWatches: (resource) => watches.hang(resource),
    expireWatches: (resource) => watches.expire(resource),
    compact() {
      store.compact();
      snapshots.clear();
    },
    async outage(milliseconds) {
      await stopListening(server);
      await sleep(milliseconds, undefined, { signal: stopped.signal }).catch(() => {});
      if (!stopped.signal.aborted) {
        await listen(server, port);
      }
    },
  });
  return {
    url: `http://${HOST}:${port}`,
    knobs,
    async close() {
      stopped.abort();
      stopCustom();
      authorizer.stop();
      watches.finish();
      await stopListening(server);
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function stopListening(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function answer(context: ServerContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (context.knobs.settings.clockOffsetMilliseconds !== 0) {
    response.setHeader('Date', context.now().toUTCString());
  }
  try {
    refuseWebPages(request);
    const url = parseUrl(request.url ?? '/');
    if (await misbehave(context.knobs, request, url)) {
      return;
    }
    await route(context, request, response, url);
  } catch (error) {
    fail(response, error);
  }
}

/** Not relative to a base: a path such as `//x/y` would be taken for a host. */
function parseUrl(text: string): URL {
  try {
    return new URL(`http://${HOST}${text}`);
  } catch {
    throw badRequest(`${JSON.stringify(text)} is not a path`);
  }
}

/** Applies the latency and the fault of the knobs; true when the request is to stay without an answer. */
async function misbehave(knobs: Knobs, request: IncomingMessage, url: URL): Promise<boolean> {
  const { latencyMilliseconds, faults } = knobs.settings;
  if ((latencyMilliseconds === 0 && faults.length === 0) || url.pathname.startsWith('/sandbox/')) {
    return false;
  }
  const fault: Partial<RequestFault> = knobs.hit(request.method ?? '', url.pathname + url.search) ?? {};
  const wait = latencyMilliseconds + (fault.latencyMilliseconds ?? 0);
  if (wait > 0) {
    await sleep(wait);
  }
  if (fault.code !== undefined) {
    throw faultError(fault.code, fault.retryAfterSeconds);
  }
  return fault.hang === true;
}

/** A page in a browser sends an Origin, or comes with a name that was made to point here (DNS rebinding). */
function refuseWebPages({ headers }: IncomingMessage): void {
  const name = (headers.host ?? HOST).replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  if (headers.origin !== undefined || (isIP(name) === 0 && name !== 'localhost')) {
    throw forbidden('requests', '', 'the sandbox does not answer web pages; use an address or localhost');
  }
}

function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const status = toApiError(error).toStatus();
  const retryAfter = status.details?.retryAfterSeconds;
  if (retryAfter) {
    response.setHeader('Retry-After', retryAfter);
  }
  sendJson(response, status.code, status);
}

function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) {
    return error;
  }
  const message = error instanceof Error ? error.message : String(error);
  return new ApiError(500, 'InternalError', `Internal error occurred: ${message}`);
}
