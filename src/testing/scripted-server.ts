import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A request as a {@link ScriptedServer} got it. */
export interface ScriptedRequest {
  method: string;
  /** Path without the query. */
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  /** Parsed JSON, or `undefined`. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of all kinds
  body: any;
}

/** Answers one request; `index` counts the requests of the server from 0. */
export type Script = (request: ScriptedRequest, response: ServerResponse, index: number) => void | Promise<void>;

/** A real HTTP server whose every answer a test decides. */
export interface ScriptedServer {
  url: string;
  /** All requests so far, in order. */
  requests: ScriptedRequest[];
  /** How many connections were ever made. */
  connections(): number;
  /** Ends all connections and the server. */
  close(): Promise<void>;
}

/** Starts a {@link ScriptedServer} on a free loopback port. */
export async function startScriptedServer(script: Script): Promise<ScriptedServer> {
  const requests: ScriptedRequest[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer(async (message, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const { pathname, searchParams } = new URL(message.url ?? '/', 'http://localhost');
    const request: ScriptedRequest = {
      method: message.method ?? '',
      path: pathname,
      query: searchParams,
      headers: message.headers,
      body: text === '' ? undefined : JSON.parse(text),
    };
    requests.push(request);
    await script(request, response, requests.length - 1);
  });
  server.on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Sends JSON. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/** Sends a `Status` as the API server does for errors. */
export function sendStatus(
  response: ServerResponse,
  code: number,
  reason: string,
  extra: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): void {
  sendJson(
    response,
    code,
    { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message: `scripted ${reason}`, ...extra },
    headers,
  );
}

/** Polls until a condition holds; fails after `timeoutMs` (10 s). */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what = 'the condition',
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not hold within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
