import { request as httpRequest, type IncomingMessage } from 'node:http';
import { createKnobs } from '../knobs.js';
import { createStore, type ServerStore, type StoreOptions } from '../store/store.js';
import type { Json } from '../store/types.js';
import type { LogSource } from './log-source.js';
import { type ApiServer, startApiServer } from './server.js';

/** What a test got for a request. */
export interface Answer {
  code: number;
  headers: IncomingMessage['headers'];
  text: string;
  /** The body, when it is JSON. */
  body: Json;
}

/** A watch that a test has open. */
export interface TestWatch {
  events: Json[];
  /** Resolves when so many events have come; rejects when the stream ends before. */
  until(count: number): Promise<Json[]>;
  /** Resolves when the server ends the stream: `end` in good order, `cut` otherwise. */
  ended: Promise<'end' | 'cut'>;
  close(): void;
}

/** A server on a store of its own, with the few calls that tests need. */
export interface TestServer extends ApiServer {
  store: ServerStore;
  call(method: string, path: string, body?: Json, headers?: Record<string, string>): Promise<Answer>;
  watch(path: string, headers?: Record<string, string>): Promise<TestWatch>;
}

/** Starts a server for a test. The caller closes it. */
export async function startTestServer(options: StoreOptions & { logs?: LogSource } = {}): Promise<TestServer> {
  const knobs = createKnobs();
  const store = createStore({ now: () => knobs.now(), ...options });
  const server = await startApiServer({ store, knobs, logs: options.logs });
  return {
    ...server,
    store,
    call: (method, path, body, headers) => call(server.url + path, method, body, headers),
    watch: (path, headers) => watch(server.url + path, headers),
  };
}

async function call(url: string, method: string, body?: Json, headers: Record<string, string> = {}): Promise<Answer> {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const response = await send(url, method, text, { 'content-type': 'application/json', ...headers });
  let received = '';
  for await (const chunk of response.setEncoding('utf8')) {
    received += chunk;
  }
  const json = String(response.headers['content-type']).startsWith('application/json');
  return {
    code: response.statusCode!,
    headers: response.headers,
    text: received,
    body: json ? JSON.parse(received) : undefined,
  };
}

function send(
  url: string,
  method: string,
  body: string | undefined,
  headers: Record<string, string>,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(url, { method, headers }, resolve);
    outgoing.on('error', reject);
    if (body !== undefined && headers['transfer-encoding'] === undefined) {
      outgoing.setHeader('content-length', Buffer.byteLength(body));
    }
    outgoing.end(body);
  });
}

async function watch(url: string, headers: Record<string, string> = {}): Promise<TestWatch> {
  const response = await send(url, 'GET', undefined, headers);
  const events: Json[] = [];
  let wake = () => {};
  let over = false;
  let rest = '';
  response.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    events.push(...lines.map((line) => JSON.parse(line)));
    wake();
  });
  const ended = new Promise<'end' | 'cut'>((resolve) => {
    response.on('error', () => resolve('cut'));
    response.on('close', () => {
      over = true;
      wake();
      resolve(response.complete ? 'end' : 'cut');
    });
  });
  return {
    events,
    ended,
    close: () => response.destroy(),
    async until(count) {
      while (events.length < count && !over) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (events.length < count) {
        throw new Error(`the watch ended after ${events.length} of ${count} events`);
      }
      return events;
    },
  };
}
