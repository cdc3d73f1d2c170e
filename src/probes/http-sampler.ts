import { createSecureContext } from 'node:tls';
import { RE2JS } from 're2js';
import { parseDuration } from '../stats/duration.js';
import type { HttpSpec } from './http.js';
import { failedRequest, failure, ownError, timedOut } from './http-errors.js';
import { type ExchangeRequest, type ExchangeResponse, exchange } from './http-exchange.js';
import type { Outcome, Sampler, SamplerContext } from './probe.js';
import { Resolver, within } from './resolver.js';

/** So many requests of one probe may wait for an answer; more would only exhaust our own ports. */
const mostInFlight = 1_000;
/** A name may take so long to be resolved before sampling starts, in milliseconds. */
const longestPreparation = 1_000;

/** The part of a request that a redirect changes. */
interface Hop {
  url: URL;
  method: string;
  headers: Record<string, string>;
  body?: string | undefined;
}

interface Following extends Pick<ExchangeRequest, 'signal' | 'onStatus'> {
  /** Called with the host that is being resolved, and with nothing when it is. */
  onHost(host: string | undefined): void;
}

/** A redirect that can't be followed. */
class RedirectError extends Error {}

/** Makes the sampler of an `http` probe: one request per sample, each over a connection of its own. */
export function httpSampler(spec: HttpSpec, context: SamplerContext): Sampler {
  const timeout = parseDuration(spec.timeout);
  const accepts = statusMatcher(spec.status);
  const pattern = spec.body && RE2JS.compile(spec.body.matches);
  const resolver = new Resolver({ services: context.services, policy: context.policy, now: context.now });
  const start: Hop = {
    url: new URL(spec.url),
    method: spec.method,
    headers: { 'user-agent': 'squall-probe', ...spec.headers },
    body: spec.requestBody,
  };
  const tls = {
    context: createSecureContext(spec.tls?.caBundle === undefined ? {} : { ca: spec.tls.caBundle }),
    verify: !spec.tls?.insecureSkipVerify,
    serverName: spec.tls?.serverName,
  };
  let inFlight = 0;

  async function follow({ onHost, ...settings }: Following): Promise<ExchangeResponse> {
    let hop = start;
    for (let redirects = 0; ; redirects += 1) {
      onHost(hop.url.hostname);
      const destination = await resolver.resolve(hop.url.hostname, portOf(hop.url));
      onHost(undefined);
      settings.signal.throwIfAborted();
      const response = await exchange({ ...hop, ...settings, destination, tls, keepBody: pattern !== undefined });
      if (spec.followRedirects === 0 || !isRedirect(response)) return response;
      if (redirects === spec.followRedirects) throw new RedirectError(`more than ${redirects} redirects`);
      hop = redirected(hop, response);
    }
  }

  function judge(response: ExchangeResponse, latencyMilliseconds: number): Outcome {
    if (!accepts(response.status)) return failure(`status ${response.status}, expected ${spec.status.join(' or ')}`);
    if (pattern?.test(response.body) === false) return failure(`the body does not match '${spec.body?.matches}'`);
    return { ok: true, latencyMilliseconds };
  }

  function attempt(intendedAt: number): Promise<Outcome> {
    const controller = new AbortController();
    const waited = () => context.now() - intendedAt;
    let status: number | undefined;
    const onStatus = (received: number) => {
      status = received;
    };
    let unresolved: string | undefined;
    const onHost = (host: string | undefined) => {
      unresolved = host;
    };
    const late = () =>
      unresolved !== undefined && resolver.isAskingServer(unresolved)
        ? ownError(`the API server did not say in time where '${unresolved}' is`)
        : timedOut(timeout, waited(), status);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        resolve(late());
        controller.abort();
      }, timeout - waited());
      follow({ signal: controller.signal, onStatus, onHost })
        .then((response) => judge(response, waited()))
        .catch((error) => (error instanceof RedirectError ? failure(error.message) : failedRequest(error)))
        .then(resolve)
        .finally(() => clearTimeout(timer));
    });
  }

  return {
    async prepare() {
      await within(longestPreparation, resolver.resolve(start.url.hostname, portOf(start.url))).catch(() => undefined);
    },
    async sample(intendedAt) {
      if (inFlight >= mostInFlight) return failure(`${mostInFlight} requests are already waiting for an answer`);
      inFlight += 1;
      return await attempt(intendedAt).finally(() => {
        inFlight -= 1;
      });
    },
  };
}

/** The port of a URL, also when it is the scheme's own. */
export function portOf(url: URL): number {
  return Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
}

/** A test for statuses such as `200`, `2xx` and `200-204`. */
export function statusMatcher(accepted: readonly string[]): (status: number) => boolean {
  const ranges = accepted.map((entry) => {
    const [low = entry, high = low] = entry.split('-');
    return [Number(low.replace('xx', '00')), Number(high.replace('xx', '99'))] as const;
  });
  return (status) => ranges.some(([low, high]) => status >= low && status <= high);
}

function isRedirect({ status, location }: ExchangeResponse): boolean {
  return [301, 302, 303, 307, 308].includes(status) && location !== undefined;
}

/** The next request after a redirect (RFC 9110, 15.4): 303 turns into GET, and by custom so does a POST on 301 and 302. */
function redirected(hop: Hop, { status, location = '' }: ExchangeResponse): Hop {
  const url = URL.canParse(location, hop.url.href) ? new URL(location, hop.url) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new RedirectError(`redirects to '${location.slice(0, 200)}', which is no HTTP URL`);
  }
  const becomesGet = (status === 303 && hop.method !== 'HEAD') || (status < 303 && hop.method === 'POST');
  // What was meant for one origin, such as credentials, is not for another.
  const headers = url.origin === hop.url.origin ? hop.headers : { 'user-agent': hop.headers['user-agent'] ?? '' };
  return { url, headers, method: becomesGet ? 'GET' : hop.method, body: becomesGet ? undefined : hop.body };
}
