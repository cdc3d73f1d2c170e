import { type AddressInfo, createServer, isIPv6, type Server, type Socket } from 'node:net';
import { BufferPool } from './buffer-pool.js';
import { Connection, type Destination } from './connection.js';
import { Delay } from './delay.js';

/** A destination, and the loopback port (of the same IP version) where connections to it are taken. */
export interface Listening extends Destination {
  at: number;
}

/** What a proxy has done so far. */
export interface Counters {
  /** Connections that were delayed. */
  connections: number;
  /** Connections that are open now. */
  open: number;
  /** Connections that had to be closed at the end. */
  cut: number;
}

const SHARED_BYTES = 64 * 1024 * 1024;
const BACKLOG = 4_096;
/** A connection may have been redirected to a listener just before the map stopped naming it. */
const CLOSE_AFTER_MILLISECONDS = 2_000;

/** Takes connections on one loopback port per destination and passes them on, delayed. */
export class DelayProxy {
  readonly #listeners = new Map<string, { server: Server; listening: Listening }>();
  readonly #open = new Set<Connection>();
  readonly #pool = new BufferPool(SHARED_BYTES);
  readonly #delay: Delay;
  #connections = 0;
  #cut = 0;

  constructor(latencyMilliseconds: number, jitterMilliseconds: number) {
    this.#delay = new Delay(latencyMilliseconds, jitterMilliseconds);
  }

  get counters(): Counters {
    return { connections: this.#connections, open: this.#open.size, cut: this.#cut };
  }

  /** Listens for exactly these destinations from now on; connections to others go on. Not to be called twice at a time. */
  async listen(destinations: readonly Destination[]): Promise<Listening[]> {
    const wanted = new Map(destinations.map((destination) => [keyOf(destination), destination]));
    for (const [key, { server }] of [...this.#listeners]) {
      if (wanted.has(key)) continue;
      this.#listeners.delete(key);
      setTimeout(() => server.close(), CLOSE_AFTER_MILLISECONDS);
    }
    for (const [key, destination] of wanted) {
      if (!this.#listeners.has(key)) this.#listeners.set(key, await this.#listen(destination));
    }
    return [...this.#listeners.values()].map(({ listening }) => listening);
  }

  /** Ends the delay at once; connections, also new ones, are passed on without it. */
  stop(): void {
    this.#delay.stop();
    for (const connection of this.#open) connection.release();
  }

  /** Takes no more connections, and resets those that are left. */
  close(): void {
    for (const { server } of this.#listeners.values()) server.close();
    this.#listeners.clear();
    this.#cut += this.#open.size;
    for (const connection of this.#open) connection.cut();
  }

  async #listen(destination: Destination): Promise<{ server: Server; listening: Listening }> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
    server.on('connection', (client) => this.#accept(client, destination));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: isIPv6(destination.address) ? '::1' : '127.0.0.1', port: 0, backlog: BACKLOG }, resolve);
    });
    const { port } = server.address() as AddressInfo;
    return { server, listening: { ...destination, at: port } };
  }

  #accept(client: Socket, destination: Destination): void {
    if (!this.#delay.stopped) this.#connections += 1;
    const connection: Connection = new Connection(client, destination, { delay: this.#delay, pool: this.#pool }, () =>
      this.#open.delete(connection),
    );
    this.#open.add(connection);
  }
}

function keyOf({ address, port }: Destination): string {
  return `${address} ${port}`;
}
