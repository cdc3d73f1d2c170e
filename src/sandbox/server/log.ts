import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { badRequest } from '../api-error.js';
import { arrayOf } from '../resources/pod-defaults.js';
import type { KubeObject } from '../store/types.js';
import type { ResourceCall } from './context.js';
import type { LogLine, LogRequest } from './log-source.js';
import { booleanOf, integerOf } from './query.js';
import { requireObject } from './read.js';

/** GET of `pods/log`: the output of one container as text. */
export async function handleLog(call: ResourceCall): Promise<void> {
  const { context, query, response } = call;
  const pod = requireObject(call);
  const request = logRequestOf(pod, query, context.now());
  const closed = new AbortController();
  response.on('close', () => closed.abort());
  const lines = context.logs?.read(pod, request, closed.signal);
  if (lines === undefined) {
    throw badRequest(whyNoLog(pod, request));
  }
  response.writeHead(200, { 'Content-Type': 'text/plain' });
  response.flushHeaders();
  const timestamps = booleanOf(query, 'timestamps');
  const limit = integerOf(query, 'limitBytes') ?? Number.POSITIVE_INFINITY;
  await sendLines(response, lines, { timestamps, limit });
}

async function sendLines(
  response: ServerResponse,
  lines: AsyncIterable<LogLine>,
  { timestamps, limit }: { timestamps: boolean; limit: number },
): Promise<void> {
  let left = limit;
  for await (const { time, text } of lines) {
    const line = Buffer.from(timestamps ? `${time.toISOString()} ${text}\n` : `${text}\n`);
    const sent = line.subarray(0, left);
    left -= sent.length;
    if (response.destroyed) {
      return;
    }
    if (!response.write(sent)) {
      await Promise.race([once(response, 'drain'), once(response, 'close')]);
    }
    if (left <= 0) {
      break;
    }
  }
  response.end();
}

function logRequestOf(pod: KubeObject, query: URLSearchParams, now: Date): LogRequest {
  const seconds = integerOf(query, 'sinceSeconds');
  const sinceTime = query.get('sinceTime');
  if (sinceTime !== null && Number.isNaN(Date.parse(sinceTime))) {
    throw badRequest(`sinceTime must be a time in RFC 3339, not ${JSON.stringify(sinceTime)}`);
  }
  const since = sinceTime === null ? undefined : new Date(sinceTime);
  return {
    container: containerOf(pod, query.get('container')),
    follow: booleanOf(query, 'follow'),
    previous: booleanOf(query, 'previous'),
    tailLines: integerOf(query, 'tailLines'),
    since: seconds === undefined ? since : new Date(now.getTime() - seconds * 1000),
  };
}

function containerOf({ metadata, spec }: KubeObject, wanted: string | null): string {
  const lists = [spec.containers, spec.initContainers, spec.ephemeralContainers];
  const names: string[] = lists.flatMap(arrayOf).map(({ name }) => name);
  if (wanted) {
    if (!names.includes(wanted)) {
      throw badRequest(`container ${wanted} is not valid for pod ${metadata.name}`);
    }
    return wanted;
  }
  const mains = arrayOf(spec.containers);
  if (mains.length !== 1) {
    throw badRequest(
      `a container name must be specified for pod ${metadata.name}, choose one of: [${names.join(' ')}]`,
    );
  }
  return mains[0].name;
}

function whyNoLog({ metadata, status }: KubeObject, { container, previous }: LogRequest): string {
  if (previous) {
    return `previous terminated container "${container}" in pod "${metadata.name}" not found`;
  }
  const state = arrayOf(status?.containerStatuses).find(({ name }) => name === container)?.state;
  const reason = state?.waiting?.reason ?? 'ContainerCreating';
  return `container "${container}" in pod "${metadata.name}" is waiting to start: ${reason}`;
}
