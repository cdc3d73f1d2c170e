import { connect, type Socket } from 'node:net';
import type { BufferPool } from './buffer-pool.js';
import { type Delay, DelayLine } from './delay.js';

/** Where the connections of a listener were meant to go. */
export interface Destination {
  address: string;
  port: number;
}

/** What all connections of a proxy share. */
export interface Shared {
  delay: Delay;
  pool: BufferPool;
}

const NOTHING = Buffer.alloc(0);
/** What a chunk costs beyond its bytes, so that a flood of tiny ones is bounded too. */
const CHUNK_COST = 512;
/** After this long without a byte the peer is asked whether it is still there: the target can't find out through us. */
const KEEP_ALIVE_MILLISECONDS = 60_000;

/**
 * One connection that was redirected to us, and the one to its destination. What the target sends, also its end and its
 * resets, arrives later; what the peer sends is passed on at once. As with a delay in the kernel the peer is dialled one
 * delay after the target asked for it, and nothing arrives on either side before another one has passed.
 */
export class Connection {
  readonly #line: DelayLine<Buffer | 'end'>;
  readonly #timers = new Map<() => void, NodeJS.Timeout>();
  #upstream: Socket | undefined;
  #held = 0;
  #writing = false;
  #open = 1;

  /**
   * @param client accepted with `pauseOnConnect` and `allowHalfOpen`
   * @param closed called once, when both sides are closed
   */
  constructor(
    private readonly client: Socket,
    private readonly destination: Destination,
    private readonly shared: Shared,
    private readonly closed: () => void,
  ) {
    this.#line = new DelayLine(shared.delay);
    client.on('error', () => this.#clientBroke());
    client.on('close', this.#sideClosed);
    this.#later(this.#dial, shared.delay.draw());
  }

  /** Passes on at once what is held back, after the delay was stopped. */
  release(): void {
    for (const [run, timer] of [...this.#timers]) {
      clearTimeout(timer);
      this.#timers.delete(run);
      run();
    }
    this.#passOn();
  }

  /** Resets both sides, whatever is still under way. */
  cut(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    resetNow(this.client);
    if (this.#upstream) resetNow(this.#upstream);
  }

  readonly #dial = (): void => {
    if (this.client.destroyed) return;
    const { address: host, port } = this.destination;
    const upstream = connect({
      host,
      port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MILLISECONDS,
    });
    this.#upstream = upstream;
    this.#open += 1;
    upstream.on('error', () => resetAfterWrites(this.client));
    upstream.on('close', this.#sideClosed);
    upstream.once('connect', this.#connected);
  };

  readonly #connected = (): void => {
    this.client.on('data', (chunk) => this.#received(chunk));
    this.client.on('end', () => afterReset(this.client, () => this.#push('end')));
    this.client.resume();
    this.#later(this.#passBack, this.shared.delay.draw());
  };

  readonly #passBack = (): void => {
    const upstream = this.#upstream as Socket;
    upstream.pipe(this.client, { end: false });
    upstream.on('end', () => afterReset(upstream, () => this.client.end()));
  };

  #received(chunk: Buffer): void {
    this.#hold(cost(chunk));
    this.#push(chunk);
    if (this.#held >= this.shared.pool.share) this.client.pause();
  }

  #push(item: Buffer | 'end'): void {
    this.#line.push(item, performance.now());
    this.#passOn();
  }

  /** One batch is on its way at a time; what the peer does not take stays in the line and counts as held. */
  readonly #passOn = (): void => {
    const upstream = this.#upstream;
    if (this.#writing || !upstream || upstream.destroyed) return;
    const items = this.#line.take(performance.now());
    const chunks = items.filter((item) => item !== 'end');
    if (chunks.length > 0) this.#write(upstream, chunks);
    if (items.length > chunks.length) upstream.end();
    const due = this.#line.due;
    if (due !== undefined && !this.#writing) this.#later(this.#passOn, due - performance.now());
  };

  #write(upstream: Socket, chunks: Buffer[]): void {
    this.#writing = true;
    upstream.cork();
    for (const chunk of chunks.slice(0, -1)) upstream.write(chunk);
    upstream.write(chunks.at(-1) as Buffer, () => {
      this.#writing = false;
      this.#hold(-chunks.reduce((sum, chunk) => sum + cost(chunk), 0));
      if (this.client.isPaused() && this.#held < this.shared.pool.share) this.client.resume();
      this.#passOn();
    });
    upstream.uncork();
  }

  /** A reset does not wait until the peer has read what was sent before it, but it does not overtake it either. */
  #clientBroke(): void {
    const wait = Math.max(this.shared.delay.draw(), this.#line.lastDue - performance.now());
    this.#later(this.#breakUpstream, wait);
  }

  readonly #breakUpstream = (): void => {
    this.#passOn();
    if (this.#upstream) resetNow(this.#upstream);
  };

  readonly #sideClosed = (): void => {
    this.#open -= 1;
    if (this.#open > 0) return;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#hold(-this.#held);
    this.closed();
  };

  #hold(bytes: number): void {
    this.#held += bytes;
    if (bytes > 0) this.shared.pool.take(bytes);
    else this.shared.pool.give(-bytes);
  }

  /** Runs something once, after a while; at once when there is nothing to wait for. */
  #later(run: () => void, milliseconds: number): void {
    if (this.#timers.has(run)) return;
    if (milliseconds <= 0) {
      run();
      return;
    }
    const fire = () => {
      this.#timers.delete(run);
      run();
    };
    this.#timers.set(run, setTimeout(fire, Math.ceil(milliseconds)));
  }
}

function cost(chunk: Buffer): number {
  return chunk.length + CHUNK_COST;
}

/**
 * Node reports a reset that comes right behind data as the end of the stream. A truncated answer must not look complete,
 * so a write of nothing asks the kernel; when it fails, the socket's `error` event follows.
 */
function afterReset(socket: Socket, ended: () => void): void {
  if (!socket.writable || socket.writableLength > 0) ended();
  else socket.write(NOTHING, (error) => error ?? ended());
}

/** Resets a connection once all that was written to it has been handed to the kernel. */
function resetAfterWrites(socket: Socket): void {
  if (socket.destroyed) return;
  if (socket.writableEnded) resetNow(socket);
  else socket.write(NOTHING, () => resetNow(socket));
}

function resetNow(socket: Socket): void {
  if (socket.destroyed) return;
  // libuv can't reset while a FIN is on its way, and Node would then leave the socket open for ever.
  if (socket.writableEnded && !socket.writableFinished) socket.once('finish', () => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}
