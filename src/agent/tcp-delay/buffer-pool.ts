const MOST_PER_CONNECTION = 4 * 1024 * 1024;
const LEAST_PER_CONNECTION = 64 * 1024;
const SHARE_OF_FREE = 4;

/**
 * Bounds what all connections together hold back. Each may hold a quarter of what is free, so that a few whose peer
 * stopped reading leave enough to the others (Choudhury and Hahne, "Dynamic queue length thresholds", 1998).
 */
export class BufferPool {
  #used = 0;

  /** @param bytes what is shared; each connection may hold 64 KiB even when all is in use */
  constructor(private readonly bytes: number) {}

  get used(): number {
    return this.#used;
  }

  /** How many bytes one connection may hold now, up to 4 MiB. */
  get share(): number {
    const share = (this.bytes - this.#used) / SHARE_OF_FREE;
    return Math.min(MOST_PER_CONNECTION, Math.max(LEAST_PER_CONNECTION, share));
  }

  take(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
  }
}
