import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Destination } from './resolver.js';

/** One request, and where its connection goes. */
export interface ExchangeRequest {
  url: URL;
  method: string;
  headers: Record<string, string>;
  body?: string | undefined;
  destination: Destination;
  tls: { context?: SecureContext | undefined; verify: boolean; serverName?: string | undefined };
  /** Keep the start of the body, for a pattern. */
  keepBody: boolean;
  /** Called when the status is known, before the body is read. */
  onStatus(status: number): void;
  /** Interrupts at any point. */
  signal: AbortSignal;
}

/** What came back. */
export interface ExchangeResponse {
  status: number;
  /** The `Location` header. */
  location?: string | undefined;
  /** The first 64 KiB of the body when it was to be kept, else empty. */
  body: string;
}

/** Of the body so much is read; what comes after it is cut off, and the sample is as good as without it. */
export const bodyLimit = 1024 * 1024;
/** A pattern sees so much of the body. */
export const keptLimit = 64 * 1024;

/**
 * Every request has a connection of its own, as the first request of every new visitor has. A connection kept alive
 * would stick to one pod behind a Service, and see either none of the loss of the others or all of its own.
 */
const agents = {
  http: new HttpAgent({ keepAlive: false }),
  https: new HttpsAgent({ keepAlive: false, maxCachedSessions: 0 }),
};

/** The body ended before it was complete. */
export class CutOffError extends Error {
  override readonly name = 'CutOffError';
}

/** Sends one request and reads the answer to its end or to the limit. Rejects with the error of the connection. */
export function exchange(options: ExchangeRequest): Promise<ExchangeResponse> {
  return new Promise((resolve, reject) => {
    const request = open(options);
    // A server that switches protocols unasked closes the request without a response and without an error.
    const unanswered = () => reject(new CutOffError('the connection was closed without an answer'));
    request.once('close', unanswered);
    request.on('error', reject);
    request.once('response', (response) => {
      request.off('close', unanswered);
      options.onStatus(response.statusCode ?? 0);
      readBody(response, options.keepBody).then((body) => {
        resolve({ status: response.statusCode ?? 0, location: response.headers.location, body });
        request.destroy();
      }, reject);
    });
    request.end(options.body);
  });
}

function open({ url, method, headers, destination, tls, signal }: ExchangeRequest): ClientRequest {
  const options = {
    method,
    // The certificate and the Host header are for the name in the URL, wherever the connection goes.
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: destination.port,
    path: `${url.pathname}${url.search}`,
    headers: { host: url.host, 'accept-encoding': 'identity', ...headers },
    lookup: answerWith(destination),
    signal,
  };
  if (url.protocol === 'http:') return requestHttp({ ...options, agent: agents.http });
  return requestHttps({
    ...options,
    agent: agents.https,
    rejectUnauthorized: tls.verify,
    ...(tls.serverName !== undefined && { servername: tls.serverName }),
    ...(tls.context !== undefined && { secureContext: tls.context }),
  });
}

/** A lookup that gives the addresses that were checked, so that a second answer of DNS can't lead elsewhere. */
function answerWith({ addresses }: Destination): LookupFunction {
  return (_host, options, callback) => {
    if (options.all) return callback(null, addresses);
    const [first] = addresses;
    return callback(null, first?.address ?? '', first?.family);
  };
}

function readBody(response: IncomingMessage, keep: boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const kept: Buffer[] = [];
    let received = 0;
    const finish = () => resolve(Buffer.concat(kept).toString('utf8'));
    response.on('data', (chunk: Buffer) => {
      if (keep && received < keptLimit) kept.push(chunk.subarray(0, keptLimit - received));
      received += chunk.length;
      if (received >= bodyLimit) finish();
    });
    response.once('end', finish);
    // Node ends a body that is not complete with this error, never with `end`.
    response.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ECONNRESET' ? new CutOffError('the connection was closed in the middle of the body') : error,
      ),
    );
  });
}
