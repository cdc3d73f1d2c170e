import type { IncomingMessage } from 'node:http';
import { apiErrorOfStatus, TransportError } from './errors.js';
import type { KubeObject } from './resource.js';
import type { Timing } from './timing.js';

/** One event of a watch. `ERROR` events are thrown as ApiError instead. */
export interface WatchEvent<T extends KubeObject = KubeObject> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  /** A `BOOKMARK` holds nothing but `metadata.resourceVersion`. */
  object: T;
}

/** Bounds of {@link readWatch}. */
export interface WatchLimits {
  /** Milliseconds without a byte after which the connection counts as dead. */
  watchdogMs: number;
  /** Longest event in bytes. */
  maxLineBytes: number;
  timing: Timing;
}

/**
 * Parses the newline-delimited JSON of a watch.
 * @throws ApiError for an `ERROR` event, TransportError when the stream breaks, falls silent, or holds something else
 */
export async function* readWatch(response: IncomingMessage, limits: WatchLimits): AsyncGenerator<WatchEvent> {
  const watchdog = new Watchdog(response, limits);
  const lines = new LineBuffer(limits.maxLineBytes);
  try {
    for await (const chunk of response) {
      // Paused while the consumer is busy: only the server's silence counts.
      watchdog.stop();
      for (const line of lines.add(chunk)) yield parseEvent(line);
      watchdog.start();
    }
  } catch (error) {
    if (watchdog.expired) throw new TransportError('SILENT', `The watch was silent for ${limits.watchdogMs} ms.`);
    if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') {
      throw new TransportError('ECONNRESET', 'The watch broke off.', { cause: error });
    }
    throw error;
  } finally {
    watchdog.stop();
    response.destroy();
  }
}

function parseEvent(line: string): WatchEvent {
  let event: WatchEvent | { type: 'ERROR'; object: unknown };
  try {
    event = JSON.parse(line);
  } catch (cause) {
    throw new TransportError('MALFORMED', `The watch sent something that is no event: ${line.slice(0, 100)}`, {
      cause,
    });
  }
  if (event.type === 'ERROR') throw apiErrorOfStatus(event.object);
  return event;
}

class Watchdog {
  expired = false;
  readonly #response: IncomingMessage;
  readonly #limits: WatchLimits;
  #cancel: () => void = () => {};

  constructor(response: IncomingMessage, limits: WatchLimits) {
    this.#response = response;
    this.#limits = limits;
    this.start();
  }

  start(): void {
    this.#cancel();
    this.#cancel = this.#limits.timing.schedule(this.#limits.watchdogMs, () => {
      this.expired = true;
      this.#response.destroy();
    });
  }

  stop(): void {
    this.#cancel();
  }
}

/** Cuts a byte stream into lines; a line is decoded as a whole, so characters never break at chunk borders. */
class LineBuffer {
  #parts: Buffer[] = [];
  #length = 0;

  constructor(readonly maxBytes: number) {}

  *add(chunk: Buffer): Generator<string> {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = Buffer.concat([...this.#parts, chunk.subarray(start, end)]).toString('utf8');
      this.#parts = [];
      this.#length = 0;
      start = end + 1;
      if (line.trim() !== '') yield line;
    }
    if (start === chunk.length) return;
    this.#length += chunk.length - start;
    if (this.#length > this.maxBytes)
      throw new TransportError('TOO_LARGE', `An event of the watch is longer than ${this.maxBytes} bytes.`);
    this.#parts.push(chunk.subarray(start));
  }
}
