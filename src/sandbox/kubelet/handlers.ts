import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Json } from '../store/types.js';
import type { ContainerProcess } from './container-process.js';

/** What a probe or a lifecycle hook needs to know of the container it is about. */
export interface HandlerTarget {
  podIP: string;
  container: Json;
  /** Starts a command inside of the container, for exec. */
  start(command: string[]): ContainerProcess;
}

/** Undefined when the handler succeeded, otherwise why not. */
export type HandlerResult = string | undefined;

const maxBodyBytes = 10_240;

/**
 * Runs the handler of a probe or hook once: exec, httpGet or tcpSocket. Aborting ends it and counts as a failure. What the
 * sandbox can't do (grpc) fails and says so.
 */
export function runHandler(handler: Json, target: HandlerTarget, signal: AbortSignal): Promise<HandlerResult> {
  if (handler.exec) {
    return runExec(handler.exec.command ?? [], target, signal);
  }
  if (handler.httpGet) {
    return runHttpGet(handler.httpGet, target, signal);
  }
  if (handler.tcpSocket) {
    return runTcpSocket(handler.tcpSocket, target, signal);
  }
  if (handler.sleep) {
    return sleep(handler.sleep.seconds * 1000, undefined, { signal }).catch(() => 'the sleep was cut short');
  }
  return Promise.resolve('the sandbox runs exec, httpGet and tcpSocket handlers only');
}

async function runExec(command: string[], target: HandlerTarget, signal: AbortSignal): Promise<HandlerResult> {
  const process = target.start(command);
  const kill = () => process.signal('SIGKILL');
  signal.addEventListener('abort', kill);
  const exit = await process.exited;
  signal.removeEventListener('abort', kill);
  if (signal.aborted) {
    return `command timed out: ${command.join(' ')}`;
  }
  return exit.code === 0 ? undefined : (exit.startError ?? `command exited with ${exit.code}: ${command.join(' ')}`);
}

function runHttpGet(get: Json, target: HandlerTarget, signal: AbortSignal): Promise<HandlerResult> {
  const port = portNumber(get.port, target.container);
  if (port === undefined) {
    return Promise.resolve(`the container has no port "${get.port}"`);
  }
  const secure = get.scheme === 'HTTPS';
  const headers: Record<string, string> = { 'User-Agent': 'kube-probe/1.32', Accept: '*/*', Connection: 'close' };
  for (const { name, value } of get.httpHeaders ?? []) {
    headers[name] = value;
  }
  const options = {
    host: get.host || target.podIP,
    port,
    path: get.path || '/',
    headers,
    agent: false as const,
    signal,
  };
  return new Promise((resolve) => {
    const send = secure ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options);
    send.on('error', (error) => resolve(signal.aborted ? 'context deadline exceeded' : error.message));
    send.on('response', (response) => {
      const status = response.statusCode ?? 0;
      let received = 0;
      const finish = () =>
        resolve(status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`);
      response.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (received > maxBodyBytes) {
          finish();
          send.destroy();
        }
      });
      response.on('end', finish);
      response.on('error', (error) => resolve(signal.aborted ? 'context deadline exceeded' : error.message));
    });
    send.end();
  });
}

function runTcpSocket(action: Json, target: HandlerTarget, signal: AbortSignal): Promise<HandlerResult> {
  const port = portNumber(action.port, target.container);
  if (port === undefined) {
    return Promise.resolve(`the container has no port "${action.port}"`);
  }
  return new Promise((resolve) => {
    const socket = connect({ host: action.host || target.podIP, port, signal });
    socket.on('connect', () => {
      resolve(undefined);
      socket.destroy();
    });
    socket.on('error', (error) => resolve(signal.aborted ? 'i/o timeout' : error.message));
  });
}

function portNumber(port: number | string, container: Json): number | undefined {
  if (typeof port === 'number') {
    return port;
  }
  return (container.ports ?? []).find((one: Json) => one.name === port)?.containerPort;
}
