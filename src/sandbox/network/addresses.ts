import { createServer, type Server } from 'node:net';

const claimPort = 10_250;
const firstBlock = 64;
const lastBlock = 250;

/** Addresses handed out one after another, so that one that was just freed is not soon used again. */
export interface AddressPool {
  allocate(): string;
  release(address: string): void;
}

/** A block 127.x.0.0/16 that no other sandbox on this machine uses. */
export interface AddressBlock {
  pods: AddressPool;
  services: AddressPool;
  nodes: AddressPool;
  /** Gives the block up. */
  release(): Promise<void>;
}

/**
 * Claims a block of loopback addresses by listening on one of them: the claim ends with the process, however it ends.
 * Throws where such addresses do not exist (only Linux answers on all of 127.0.0.0/8).
 */
export async function claimAddressBlock(): Promise<AddressBlock> {
  const count = lastBlock - firstBlock + 1;
  const start = Math.floor(Math.random() * count);
  for (let index = 0; index < count; index += 1) {
    const block = firstBlock + ((start + index) % count);
    const claim = await listen(`127.${block}.255.254`);
    if (claim !== undefined) {
      return {
        pods: createAddressPool(`127.${block}`, 0, 128),
        services: createAddressPool(`127.${block}`, 128, 112),
        nodes: createAddressPool(`127.${block}`, 240, 15),
        release: () => new Promise((resolve) => claim.close(() => resolve())),
      };
    }
  }
  throw new Error(`All ${count} blocks of loopback addresses are in use: stop a sandbox that is no longer needed.`);
}

function listen(address: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('listening', () => {
      server.unref();
      resolve(server);
    });
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') {
        resolve(undefined);
      } else {
        const why = `could not listen on ${address} (${error.code})`;
        reject(
          new Error(
            `The sandbox needs Linux, where every address in 127.0.0.0/8 works: ${why}. Run it in a container.`,
          ),
        );
      }
    });
    server.listen(claimPort, address);
  });
}

/** Addresses `prefix.first.1` to `prefix.(first + count - 1).254`. */
export function createAddressPool(prefix: string, first: number, count: number): AddressPool {
  const used = new Set<string>();
  const size = count * 254;
  let next = 0;

  function allocate(): string {
    for (let tries = 0; tries < size; tries += 1) {
      const address = `${prefix}.${first + Math.floor(next / 254)}.${(next % 254) + 1}`;
      next = (next + 1) % size;
      if (!used.has(address)) {
        used.add(address);
        return address;
      }
    }
    throw new Error(`All ${size} addresses from ${prefix}.${first}.1 on are in use.`);
  }

  return { allocate, release: (address) => used.delete(address) };
}
