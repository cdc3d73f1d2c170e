import type { ServerResponse } from 'node:http';
import type { Json, KubeObject } from '../store/types.js';
import { contentTypeOf, type Representation } from './negotiate.js';
import type { OpenWatch } from './watches.js';

/** Live events that a client may be behind with before it is cut off, as by a real server's watch cache. */
const MAX_BACKLOG = 5000;

/** A change as one watcher sees it. */
export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: KubeObject;
}

/** How one watcher wants its objects. */
export interface Encoder {
  representation: Representation;
  /** @param first whether nothing was sent before: only the first Table of a watch names its columns */
  encode(object: KubeObject, first: boolean): string;
  bookmark(metadata: Json): Json;
}

/** One watcher's connection. Events wait in memory while the client is slow, up to a limit. */
export class WatchStream implements OpenWatch {
  /** Events, and bookmarks that must keep their place among them as finished text. */
  private readonly backlog: (WatchEvent | string)[] = [];
  private readonly closers: (() => void)[] = [];
  private initialLeft = 0;
  private first = true;
  private hanging = false;
  private closed = false;

  constructor(
    private readonly response: ServerResponse,
    private readonly encoder: Encoder,
  ) {
    response.writeHead(200, {
      'Content-Type': contentTypeOf(encoder.representation, false),
      'Cache-Control': 'no-cache, private',
    });
    response.flushHeaders();
    response.on('drain', () => this.pump());
    response.on('close', () => this.close());
  }

  /** Runs when the connection ends, whoever ends it. */
  whenClosed(closer: () => void): void {
    if (this.closed) {
      closer();
    } else {
      this.closers.push(closer);
    }
  }

  /** The present objects, as ADDED events; they don't count as a backlog. */
  initial(objects: KubeObject[]): void {
    this.initialLeft = objects.length;
    for (const object of objects) {
      this.backlog.push({ type: 'ADDED', object });
    }
    this.pump();
  }

  /** Sends an event, or ends the connection of a client that has fallen too far behind. */
  push(event: WatchEvent): void {
    if (this.hanging) {
      return;
    }
    this.backlog.push(event);
    this.pump();
    if (this.backlog.length - this.initialLeft > MAX_BACKLOG) {
      this.response.destroy();
    }
  }

  /** Tells the client how far it has come, after what is waiting to be sent. */
  bookmark(resourceVersion: string, annotations?: Record<string, string>): void {
    if (!this.hanging) {
      const object = this.encoder.bookmark(annotations ? { resourceVersion, annotations } : { resourceVersion });
      this.backlog.push(`{"type":"BOOKMARK","object":${JSON.stringify(object)}}\n`);
      this.pump();
    }
  }

  /** Ends the stream in good order, with a last bookmark when a version is given. */
  finish(resourceVersion?: string): void {
    if (resourceVersion !== undefined) {
      this.bookmark(resourceVersion);
    }
    this.response.end();
  }

  /** Ends the stream with an ERROR event. */
  fail(status: unknown): void {
    this.write(`{"type":"ERROR","object":${JSON.stringify(status)}}\n`);
    this.response.end();
  }

  /** Cuts the connection. */
  drop(): void {
    this.response.destroy();
  }

  /** Sends nothing any more, and leaves the connection open. */
  hang(): void {
    this.hanging = true;
    this.backlog.length = 0;
  }

  private pump(): void {
    let sent = 0;
    while (sent < this.backlog.length && !this.response.writableNeedDrain && !this.closed) {
      this.write(this.lineOf(this.backlog[sent]!));
      sent += 1;
    }
    this.backlog.splice(0, sent);
    this.initialLeft = Math.max(0, this.initialLeft - sent);
  }

  private lineOf(entry: WatchEvent | string): string {
    if (typeof entry === 'string') {
      return entry;
    }
    const object = this.encoder.encode(entry.object, this.first);
    this.first = false;
    return `{"type":"${entry.type}","object":${object}}\n`;
  }

  private write(text: string): void {
    if (!this.closed) {
      this.response.write(text);
    }
  }

  private close(): void {
    this.closed = true;
    for (const closer of this.closers.splice(0)) {
      closer();
    }
  }
}
