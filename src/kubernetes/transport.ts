import type * as http from 'node:http';
import { ServerClock } from './clock.js';
import type { ClusterConfig } from './cluster-config.js';
import { Connection, ConnectionError } from './connection.js';
import { Deadline } from './deadline.js';
import { ApiError, apiErrorOf, TransportError } from './errors.js';
import { TokenBucket } from './rate-limit.js';
import type { Json } from './resource.js';
import { isUnauthorized, retryDelay } from './retry.js';
import { sleep, systemTiming } from './timing.js';
import { readWatch, type WatchEvent } from './watch.js';

export { ApiError, TransportError } from './errors.js';
export type { WatchEvent } from './watch.js';

/** Query parameters; `undefined` ones are left out. */
export type Query = Record<string, string | number | boolean | undefined>;

/** One call to the API server. */
export interface RequestOptions {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path without the query. */
  path: string;
  query?: Query;
  /** Sent as JSON. */
  body?: unknown;
  /** Default `application/json`; patches name their type here. */
  contentType?: string;
  signal?: AbortSignal;
  /** For all tries together, including waits. Default 30 s. */
  timeoutMs?: number;
  /** `high` does not wait for the client-side rate limit: for lease renewals and reverts. */
  priority?: 'high' | 'normal';
  /**
   * False: once it was sent and the answer was lost, it is not sent again, so that an answer always tells what this
   * one request did. Default true.
   */
  repeat?: boolean;
  /**
   * Called right before each try is sent; what it throws ends the request, and that try was not sent. For who may have
   * lost the right to act while it waited for its turn.
   */
  permit?: () => void;
}

/** A successful answer. */
export interface Response {
  /** Parsed JSON; the text itself when it is not JSON (logs). */
  body: Json;
  /** The `Date` header. */
  date: string | undefined;
}

/** How to watch a collection. */
export interface WatchOptions {
  path: string;
  query?: Query;
  signal?: AbortSignal;
  /** Without a byte for this long the connection counts as dead. Default 90 s: bookmarks come about every minute. */
  watchdogMs?: number;
}

/** Requests to one API server. */
export interface Transport {
  /** The server's time, learned from every answer. */
  readonly clock: ServerClock;
  /** The server's URL, for messages. */
  readonly server: string;
  /** The namespace of the kubeconfig context or of the service account. */
  readonly namespace: string;
  /**
   * Sends a request. Tries again, with growing delays and within the time-out: 429 and 503 with `Retry-After` always;
   * other failures on the way (reset, 502, 503, 504) for GET, PUT and DELETE; a connection that never came about always.
   * @throws ApiError for an error answer, TransportError when there was none
   */
  request(options: RequestOptions): Promise<Response>;
  /**
   * Events of a watch; ends when the server closes it in order.
   * @throws ApiError for an error answer or `ERROR` event (410: `isExpired`), TransportError when the connection broke or fell silent
   */
  watch(options: WatchOptions): AsyncIterable<WatchEvent>;
  /** Closes all connections. */
  close(): void;
}

/** Settings of {@link createTransport}. */
export interface TransportOptions {
  /** `squall/<version> (<what it does>)`: shows in audit logs and priority-and-fairness. */
  userAgent: string;
  /** Requests per second in the long run. Default 100. */
  qps?: number;
  /** Requests at once before the rate limit bites. Default 200. */
  burst?: number;
  clock?: ServerClock;
  /** Longest answer that is read, in bytes. Default 64 MiB. */
  maxResponseBytes?: number;
}

const defaultTimeoutMs = 30_000;

/** Makes the {@link Transport} to a cluster: keep-alive connections, retries, a client-side rate limit. */
export function createTransport(cluster: ClusterConfig, options: TransportOptions): Transport {
  return new HttpTransport(cluster, options);
}

class HttpTransport implements Transport {
  readonly clock: ServerClock;
  readonly server: string;
  readonly namespace: string;
  readonly #requests: Connection;
  readonly #watches: Connection;
  readonly #bucket: TokenBucket;
  readonly #userAgent: string;
  readonly #maxBytes: number;

  constructor(cluster: ClusterConfig, options: TransportOptions) {
    this.clock = options.clock ?? new ServerClock();
    this.server = cluster.server;
    this.namespace = cluster.namespace;
    this.#requests = new Connection(cluster, 32);
    // A pool of their own, so that many watches never keep a request from going out.
    this.#watches = new Connection(cluster, Number.POSITIVE_INFINITY);
    this.#bucket = new TokenBucket(options.qps ?? 100, options.burst ?? 200);
    this.#userAgent = options.userAgent;
    this.#maxBytes = options.maxResponseBytes ?? 64 * 1024 * 1024;
  }

  async request(options: RequestOptions): Promise<Response> {
    const deadline = new Deadline(options.timeoutMs ?? defaultTimeoutMs, systemTiming, options.signal);
    try {
      return await this.#tries(options, deadline);
    } finally {
      deadline.release();
    }
  }

  async #tries(options: RequestOptions, deadline: Deadline): Promise<Response> {
    const { signal } = deadline;
    let freshCredentials = false;
    for (let attempt = 0; ; attempt += 1) {
      if (options.priority !== 'high') await this.#awaitTurn(signal, options);
      options.permit?.();
      try {
        return await this.#once(options, signal, freshCredentials);
      } catch (error) {
        if (signal.aborted) throw this.#aborted(options, error);
        const stale: boolean = isUnauthorized(error) && !freshCredentials;
        const wait = stale ? 0 : retryDelay(error, options, attempt);
        if (wait >= deadline.left) throw error;
        freshCredentials = stale;
        await sleep(wait, systemTiming, signal);
      }
    }
  }

  async *watch(options: WatchOptions): AsyncGenerator<WatchEvent> {
    const watchdogMs = options.watchdogMs ?? 90_000;
    const path = withQuery(options.path, { ...options.query, watch: true });
    // The headers of the answer may also never come.
    const deadline = new Deadline(watchdogMs, systemTiming, options.signal);
    try {
      const answer = await this.#watches.send(this.#exchange({ method: 'GET', path }, deadline.signal));
      deadline.lift();
      this.clock.observe(answer.response.headers.date, answer.sentAt, answer.receivedAt);
      if (answer.response.statusCode !== 200) throw await this.#errorOf(answer.response);
      yield* readWatch(answer.response, { watchdogMs, maxLineBytes: this.#maxBytes, timing: systemTiming });
    } catch (error) {
      if (options.signal?.aborted) return;
      if (deadline.signal.aborted)
        throw new TransportError('SILENT', `No answer to the watch of ${options.path} within ${watchdogMs} ms.`);
      throw error;
    } finally {
      deadline.release();
    }
  }

  close(): void {
    this.#requests.close();
    this.#watches.close();
  }

  async #once(options: RequestOptions, signal: AbortSignal, freshCredentials: boolean): Promise<Response> {
    const exchange = this.#exchange({ ...options, path: withQuery(options.path, options.query) }, signal);
    const { response, sentAt, receivedAt } = await this.#requests.send(exchange, freshCredentials);
    const { date } = response.headers;
    this.clock.observe(date, sentAt, receivedAt);
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 299) throw await this.#errorOf(response);
    const text = await readText(response, this.#maxBytes, options.path);
    return { body: parseBody(text, response.headers['content-type'] ?? ''), date };
  }

  async #errorOf(response: http.IncomingMessage): Promise<ApiError> {
    const text = await readText(response, 1024 * 1024, 'an error');
    return apiErrorOf(response.statusCode ?? 0, text, response.headers['retry-after']);
  }

  async #awaitTurn(signal: AbortSignal, options: RequestOptions): Promise<void> {
    const wait = this.#bucket.reserve();
    if (wait > 0) await sleep(wait, systemTiming, signal);
    if (!signal.aborted) return;
    this.#bucket.giveBack();
    throw this.#aborted(options, undefined);
  }

  #aborted({ signal, method, path, timeoutMs }: RequestOptions, cause: unknown): TransportError {
    if (signal?.aborted) return new TransportError('ABORTED', `${method} ${path} was cancelled.`, { cause });
    const last = cause instanceof ApiError || cause instanceof ConnectionError ? ` The last try: ${cause.message}` : '';
    return new TransportError(
      'TIMEOUT',
      `${method} ${path} on ${this.server} took longer than ${timeoutMs ?? defaultTimeoutMs} ms.${last}`,
      {
        cause,
      },
    );
  }

  #exchange(
    { method, path, body, contentType }: Pick<RequestOptions, 'method' | 'path' | 'body' | 'contentType'>,
    signal: AbortSignal,
  ): Parameters<Connection['send']>[0] {
    const headers: Record<string, string> = { 'user-agent': this.#userAgent, accept: 'application/json, */*' };
    if (body !== undefined) headers['content-type'] = contentType ?? 'application/json';
    return { method, path, headers, body: body === undefined ? undefined : JSON.stringify(body), signal };
  }
}

function withQuery(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  const text = parameters.toString();
  return text === '' ? path : `${path}?${text}`;
}

async function readText(response: http.IncomingMessage, maxBytes: number, what: string): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response) {
      length += chunk.length;
      if (length > maxBytes)
        throw new TransportError(
          'TOO_LARGE',
          `The answer to ${what} is longer than ${maxBytes} bytes; ask for less with a selector or a limit.`,
        );
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof TransportError) throw error;
    throw new ConnectionError('ECONNRESET', `The answer to ${what} broke off after ${length} bytes.`, 'maybe', {
      cause: error,
    });
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseBody(text: string, contentType: string): Json {
  if (!contentType.includes('json')) return text;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TransportError('MALFORMED', `The API server sent JSON that cannot be read: ${text.slice(0, 100)}`, {
      cause,
    });
  }
}
