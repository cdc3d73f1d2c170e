import {
  Agent,
  createServer,
  type IncomingMessage,
  type RequestOptions,
  type ServerResponse,
  request as send,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A request that went through the proxy. */
export interface ProxiedRequest {
  method: string;
  /** Path with its query. */
  path: string;
  userAgent: string;
  /** When it came, on the clock of `performance.now()`. */
  at: number;
}

/** What to do about a request: `before` it is passed on, or once the server has answered and the client has not seen that yet. */
export interface Interception {
  before?(request: ProxiedRequest): boolean;
  answered?(request: ProxiedRequest): boolean;
  /** Takes a request that has come whole, and its client's connection with it; `deliver` passes it on, if it is ever called. */
  late?(request: ProxiedRequest): ((deliver: () => Promise<void>) => void) | undefined;
}

/** A proxy in front of an API server that sees every request and can cut it off. */
export interface CrashProxy {
  url: string;
  requests: ProxiedRequest[];
  /** A hook that returns true cuts the connection: the request or its answer is lost. */
  intercept: Interception;
  close(): Promise<void>;
}

/** Starts a proxy on a free loopback port. */
export async function startCrashProxy(target: string): Promise<CrashProxy> {
  const { hostname, port } = new URL(target);
  const agent = new Agent({ keepAlive: true });
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => forward(request, response));
  server.keepAliveTimeout = 90_000;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: CrashProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    intercept: {},
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
        agent.destroy();
      }),
  };

  function forward(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url: path = '', headers } = request;
    const seen = { method, path, userAgent: headers['user-agent'] ?? '', at: performance.now() };
    proxy.requests.push(seen);
    if (proxy.intercept.before?.(seen)) {
      request.socket.destroy();
      return;
    }
    const take = proxy.intercept.late?.(seen);
    if (take) {
      void body(request).then((text) => {
        request.socket.destroy();
        take(() => deliver({ hostname, port, method, path, headers, agent }, text));
      });
      return;
    }
    const onward = send({ hostname, port, method, path, headers, agent }, (answer) => {
      if (proxy.intercept.answered?.(seen)) {
        answer.resume();
        request.socket.destroy();
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    onward.on('error', () => request.socket.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  }
  return proxy;
}

async function body(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Sends a request of which nobody waits for the answer. */
function deliver(options: RequestOptions, text: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = send(options, (answer) => answer.resume().on('end', resolve));
    late.on('error', reject).end(text);
  });
}

/** Whether a request changes something that matters to a run: neither the Lease nor an Event. */
export function isWrite(request: ProxiedRequest): boolean {
  const { method, path } = request;
  return method !== 'GET' && !path.includes('/leases') && !path.includes('/events') && !isQuestion(request);
}

/** Whether a request only asks for somebody's right. */
export function isQuestion({ path }: ProxiedRequest): boolean {
  return path.includes('subjectaccessreviews');
}
