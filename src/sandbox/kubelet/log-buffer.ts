import type { LogLine, LogRequest } from '../server/log-source.js';

const maxBytes = 1_048_576;
const maxLineBytes = 16_384;

/** The last mebibyte of a process's output, in lines. */
export class LogBuffer {
  private lines: LogLine[] = [];
  private bytes = 0;
  /** How many lines were dropped from the front: the number of the first line held. */
  private dropped = 0;
  private closed = false;
  private readonly wakers = new Set<() => void>();

  /** A sink for one stream; streams are cut into lines separately and then mixed in the order of arrival. */
  sink(): { write: (chunk: Buffer) => void; end: () => void } {
    const decoder = new TextDecoder();
    let rest = '';
    const write = (chunk: Buffer) => {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = parts.pop()!;
      for (const part of parts) {
        this.add(part);
      }
      while (rest.length > maxLineBytes) {
        this.add(rest.slice(0, maxLineBytes));
        rest = rest.slice(maxLineBytes);
      }
    };
    const end = () => {
      if (rest !== '') {
        this.add(rest);
        rest = '';
      }
    };
    return { write, end };
  }

  /** No more lines will come; followers end. */
  close(): void {
    this.closed = true;
    this.wake();
  }

  /** The lines asked for, oldest first. */
  async *read(request: LogRequest, signal: AbortSignal): AsyncGenerator<LogLine> {
    const first = request.tailLines === undefined ? 0 : Math.max(0, this.lines.length - request.tailLines);
    let next = this.dropped + first;
    while (!signal.aborted) {
      next = Math.max(next, this.dropped);
      const line = this.lines[next - this.dropped];
      if (line !== undefined) {
        next += 1;
        if (request.since === undefined || line.time >= request.since) {
          yield line;
        }
      } else if (this.closed || !request.follow) {
        return;
      } else {
        await this.change(signal);
      }
    }
  }

  private change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.wakers.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.wakers.add(wake);
      signal.addEventListener('abort', wake);
    });
  }

  private add(text: string): void {
    this.lines.push({ time: new Date(), text });
    this.bytes += text.length + 1;
    if (this.bytes > maxBytes) {
      // Dropping a quarter at a time keeps the cost of each line constant on average.
      const count = Math.ceil(this.lines.length / 4);
      for (const line of this.lines.splice(0, count)) {
        this.bytes -= line.text.length + 1;
      }
      this.dropped += count;
    }
    this.wake();
  }

  private wake(): void {
    for (const wake of [...this.wakers]) {
      wake();
    }
  }
}
