import { Client } from '../src/kubernetes/client.js';
import { clusterAt } from '../src/kubernetes/kubeconfig.js';
import { createTransport } from '../src/kubernetes/transport.js';
import { type CrashProxy, isWrite, type ProxiedRequest, startCrashProxy } from '../src/testing/crash-proxy.js';

/** What was asked of the API server: the renewals of Leases left out, for they go with time and not with work. */
export interface Calls {
  all: number;
  /** What changes nothing, questions for somebody's rights among them. */
  reads: number;
  /** Other than Events. */
  writes: number;
  events: number;
  /** How often each was called, such as `10 delete pods`, the most frequent first. */
  words: string[];
}

/** What a counter's own client says to be. */
export const BARE = 'bare';

/** A way to an API server on which all calls are seen. */
export interface Counter {
  url: string;
  /** A client that goes that way, and that no rate limit holds back. */
  client: Client;
  /** Forgets what was called so far. */
  reset(): void;
  /** What was called since then by who says to be this, in the User-Agent header. */
  calls(userAgent: string): Calls;
  close(): Promise<void>;
}

/** Opens a way to an API server on which all calls are seen. */
export async function startCounter(server: string): Promise<Counter> {
  const proxy: CrashProxy = await startCrashProxy(server);
  const transport = createTransport(clusterAt(proxy.url), { userAgent: BARE, qps: 1_000_000, burst: 1_000_000 });
  return {
    url: proxy.url,
    client: new Client(transport),
    reset: () => proxy.requests.splice(0),
    calls: (userAgent) => callsOf(proxy.requests.filter((one) => one.userAgent.startsWith(userAgent))),
    close: () => {
      transport.close();
      return proxy.close();
    },
  };
}

function callsOf(requests: readonly ProxiedRequest[]): Calls {
  const counted = requests.filter(({ path }) => !path.includes('/leases'));
  const writes = counted.filter((request) => isWrite(request)).length;
  const events = counted.filter(({ method, path }) => method !== 'GET' && path.includes('/events')).length;
  const numbers = new Map<string, number>();
  for (const request of counted) {
    const words = wordsOf(request);
    numbers.set(words, (numbers.get(words) ?? 0) + 1);
  }
  const sorted = [...numbers].sort(([, one], [, other]) => other - one);
  return {
    all: counted.length,
    reads: counted.length - writes - events,
    writes,
    events,
    words: sorted.map(([words, number]) => `${number} ${words}`),
  };
}

const verbs: Record<string, string> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' };

/** Verb and resource of a call, as https://kubernetes.io/docs/reference/access-authn-authz/authorization/ has them. */
function wordsOf({ method, path }: ProxiedRequest): string {
  const { pathname, searchParams } = new URL(path, 'http://api');
  const parts = pathname.split('/').slice(1);
  // /api/v1/… or /apis/<group>/<version>/…
  const rest = parts.slice(parts[0] === 'api' ? 2 : 3);
  if (rest.length === 0) return `get ${pathname}`;
  const [resource, name, subresource] = rest[0] === 'namespaces' && rest.length > 2 ? rest.slice(2) : rest;
  const read = searchParams.get('watch') === 'true' ? 'watch' : name === undefined ? 'list' : 'get';
  return `${verbs[method] ?? read} ${resource}${subresource === undefined ? '' : `/${subresource}`}`;
}
