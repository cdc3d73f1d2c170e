import { createSocket, type Socket } from 'node:dgram';
import { PORT } from './pod-program.js';

const PACKETS = 20;
const BYTES = 1_000;
const PATIENCE_MILLISECONDS = 600;
/** A connection between pods that nothing is done to takes less than this, unless the machine is too busy to say. */
const QUICK_MILLISECONDS = 150;
const TRIES = 40;

/** What came back of what was sent to a target. */
export interface Reading {
  /** How many of 20 datagrams of 1,000 bytes came back within 0.6 s. */
  received: number;
  /** How often the target's worker was started; absent: nothing came back. */
  lives?: number;
}

/** What came of a connection that a target opened. */
export interface Dialled {
  outcome: 'connected' | 'refused' | 'nothing';
  milliseconds: number;
}

/**
 * Sends real packets to pods. Each measurement goes along with one of a pod that nothing is done to, and counts only when
 * that one is as it should be: a machine that is too busy is no fault.
 */
export class Meter {
  readonly #socket: Socket;
  readonly #waiting = new Map<string, (text: string) => void>();
  #nonce = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (data) => {
      const [nonce = '', text = ''] = data.toString('latin1', 0, 80).split(' ');
      this.#waiting.get(nonce)?.(text);
    });
  }

  static async open(): Promise<Meter> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
    await new Promise<void>((resolve) => socket.bind(0, resolve));
    return new Meter(socket);
  }

  /** Sends a burst, and counts what comes back. */
  read(address: string, peer: string): Promise<Reading> {
    const isFull = ({ received }: Reading) => received === PACKETS;
    return controlled(
      () =>
        better(
          () => this.#burst(address),
          isFull,
          (one, other) => (one.received > other.received ? one : other),
        ),
      () => this.#burst(peer),
      isFull,
    );
  }

  /** Has a target open a connection to a peer, and waits for the first byte. */
  dial(address: string, peer: string): Promise<Dialled> {
    const isQuick = ({ outcome, milliseconds }: Dialled) =>
      outcome === 'connected' && milliseconds < QUICK_MILLISECONDS;
    return controlled(
      () =>
        better(
          () => this.#dial(address, peer),
          isQuick,
          (one, other) => (isQuick(other) ? other : one),
        ),
      () => this.#dial(peer, peer),
      isQuick,
    );
  }

  async #burst(address: string): Promise<Reading> {
    const reading: Reading = { received: 0 };
    await this.#ask(address, '-', PACKETS, BYTES, PATIENCE_MILLISECONDS, (text) => {
      reading.received += 1;
      reading.lives = Number(text);
      return reading.received === PACKETS;
    });
    return reading;
  }

  async #dial(address: string, peer: string): Promise<Dialled> {
    const begun = performance.now();
    let outcome: Dialled['outcome'] = 'nothing';
    await this.#ask(address, peer, 1, 100, 2_000, (text) => {
      outcome = text as Dialled['outcome'];
      return true;
    });
    return { outcome, milliseconds: performance.now() - begun };
  }

  async #ask(
    address: string,
    what: string,
    packets: number,
    bytes: number,
    patience: number,
    onAnswer: (text: string) => boolean,
  ): Promise<void> {
    this.#nonce += 1;
    const nonce = `${this.#nonce}`;
    const data = Buffer.from(`${nonce} ${what} `.padEnd(bytes));
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, patience);
      this.#waiting.set(nonce, (text) => {
        if (!onAnswer(text)) return;
        clearTimeout(timer);
        resolve();
      });
      for (let index = 0; index < packets; index += 1) this.#socket.send(data, PORT, address, () => {});
    });
    this.#waiting.delete(nonce);
  }
}

/** A target's own process may have been kept waiting for a moment, so that what is not as it should be is measured twice. */
async function better<T>(measure: () => Promise<T>, isFine: (value: T) => boolean, choose: (one: T, other: T) => T) {
  const first = await measure();
  return isFine(first) ? first : choose(first, await measure());
}

async function controlled<T>(measure: () => Promise<T>, control: () => Promise<T>, isFine: (value: T) => boolean) {
  let seen: T | undefined;
  for (let tries = 0; tries < TRIES; tries += 1) {
    const [measured, controlled] = await Promise.all([measure(), control()]);
    if (isFine(controlled)) return measured;
    seen = controlled;
  }
  throw new Error(`nothing can be measured: a pod that nothing is done to says ${JSON.stringify(seen)}`);
}
