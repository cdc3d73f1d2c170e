import * as http from 'node:http';
import * as https from 'node:https';
import { performance } from 'node:perf_hooks';
import type { ClusterConfig, Credentials, TlsMaterial } from './cluster-config.js';
import { TransportError } from './errors.js';

/** One HTTP exchange, with nothing clever about it. */
export interface Exchange {
  method: string;
  /** Path and query. */
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
  signal: AbortSignal;
}

/** An answer whose body has not been read yet; times are monotonic milliseconds. */
export interface Answer {
  response: http.IncomingMessage;
  sentAt: number;
  receivedAt: number;
}

/**
 * Keep-alive connections to one API server. The pool is replaced when the TLS material changes (a credential plug-in
 * gave out a new client certificate).
 */
export class Connection {
  readonly #cluster: ClusterConfig;
  readonly #url: URL;
  readonly #sockets: number;
  #agent: http.Agent | undefined;
  #tls: TlsMaterial | undefined;
  #fingerprint = '';

  /** @param sockets how many connections may be open at once */
  constructor(cluster: ClusterConfig, sockets: number) {
    this.#cluster = cluster;
    this.#url = new URL(cluster.server);
    this.#sockets = sockets;
  }

  /**
   * Sends a request, resolves when the headers of the answer are there.
   * @param freshCredentials asks for new credentials, after the server refused the present ones
   * @throws TransportError when no answer comes; a ConnectionError when that may pass
   */
  async send(exchange: Exchange, freshCredentials = false): Promise<Answer> {
    const credentials = await this.#cluster.credentials(freshCredentials);
    const agent = this.#agentFor(credentials);
    const { method, body, signal } = exchange;
    const options = {
      method,
      agent,
      signal,
      hostname: this.#url.hostname.replace(/^\[|\]$/g, ''),
      port: this.#url.port,
      path: `${this.#url.pathname.replace(/\/$/, '')}${exchange.path}`,
      headers: {
        ...exchange.headers,
        ...credentials.headers,
        ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
      },
    };
    return new Promise((resolve, reject) => {
      const sentAt = performance.now();
      const request = (this.#url.protocol === 'https:' ? https : http).request(options);
      request.once('response', (response) => resolve({ response, sentAt, receivedAt: performance.now() }));
      request.on('error', (error) => reject(explain(error, request.reusedSocket, this.#cluster.server)));
      request.end(body);
    });
  }

  /** Closes all connections, also those in use. */
  close(): void {
    this.#agent?.destroy();
  }

  #agentFor({ tls, agent }: Credentials): http.Agent {
    if (this.#agent && tls === this.#tls) return this.#agent;
    this.#tls = tls;
    const fingerprint = JSON.stringify([String(tls.ca ?? ''), String(tls.cert ?? ''), String(tls.key ?? '')]);
    if (this.#agent && fingerprint === this.#fingerprint) return this.#agent;
    this.#fingerprint = fingerprint;
    // The previous pool is left to its running requests; its idle sockets are closed by the server.
    this.#agent = agent ?? this.#newAgent(tls);
    return this.#agent;
  }

  #newAgent(tls: TlsMaterial): http.Agent {
    const options = { keepAlive: true, keepAliveMsecs: 30_000, maxSockets: this.#sockets, maxFreeSockets: 32 };
    return this.#url.protocol === 'https:' ? new https.Agent({ ...options, ...tls }) : new http.Agent(options);
  }
}

/** Error codes of a connection that was never made: the request cannot have been seen. */
const notSentCodes = new Set(['ECONNREFUSED', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
/** Error codes of a connection that broke: the request may have been seen. */
const brokenCodes = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT']);

/** A {@link TransportError} that may pass, with what is known about whether the server saw the request. */
export class ConnectionError extends TransportError {
  /**
   * @param seen `no`: no connection was made; `hardly`: the server closed an idle connection just as we took it, so it
   *   died before, or at most together with, the request; `maybe`: it broke while the answer was awaited
   */
  constructor(
    code: string,
    message: string,
    readonly seen: 'no' | 'hardly' | 'maybe',
    options?: ErrorOptions,
  ) {
    super(code, message, options);
  }
}

function explain(error: NodeJS.ErrnoException, reused: boolean, server: string): TransportError {
  const code = error.code ?? 'UNKNOWN';
  if (error.name === 'AbortError') return new TransportError('ABORTED', 'The request was cancelled.', { cause: error });
  const message = `No answer from the API server ${server}: ${error.message}`;
  const options = { cause: error };
  if (notSentCodes.has(code)) return new ConnectionError(code, message, 'no', options);
  // A name that does not exist, a certificate that cannot be verified: trying again changes nothing.
  if (!brokenCodes.has(code)) return new TransportError(code, message, options);
  return new ConnectionError(code, message, reused && code !== 'ETIMEDOUT' ? 'hardly' : 'maybe', options);
}
