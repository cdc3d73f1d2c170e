import { createServer, type Server } from 'node:net';

const claimPort = 10_250;
/** The second number of blocks in 127.0.0.0/8. */
const blocks = Array.from({ length: 187 }, (_, index) => 64 + index);

/** Addresses handed out one after another, so that one that was just freed is not soon used again. */
export interface AddressPool {
  allocate(): string;
  release(address: string): void;
}

/** A block a.b.0.0/16 that no other sandbox on this machine uses. */
export interface AddressBlock {
  /** The first two numbers, such as `127.64`. */
  prefix: string;
  /** From a.b.1.1 on, in the lower half of the block. */
  pods: AddressPool;
  /** In the upper half, as are those of nodes. */
  services: AddressPool;
  nodes: AddressPool;
  /** Gives the block up. */
  release(): Promise<void>;
}

/**
 * Claims a block of loopback addresses. Throws where such addresses do not exist (only Linux answers on all of
 * 127.0.0.0/8).
 */
export function claimAddressBlock(): Promise<AddressBlock> {
  return claimFirst(shuffled(blocks.map((number) => ({ number, prefix: `127.${number}` }))));
}

/**
 * Claims a block of private addresses, of which none is in one of the networks in use.
 *
 * @param networks as `ip route` shows them, such as `10.0.0.0/8`
 * @throws Error when all are in use
 */
export function claimPrivateBlock(networks: readonly string[]): Promise<AddressBlock> {
  const tens = blocks.map((number) => ({ number, prefix: `10.${number}` }));
  const others = Array.from({ length: 16 }, (_, index) => ({ number: 16 + index, prefix: `172.${16 + index}` }));
  const used = networks.map(rangeOf);
  const isFree = ({ prefix }: Candidate) => {
    const [first, last] = rangeOf(`${prefix}.0.0/16`);
    return used.every(([start, end]) => end < first || start > last);
  };
  return claimFirst([...shuffled(tens.filter(isFree)), ...others.filter(isFree)]);
}

/** `number` stands for the block in the claim. */
interface Candidate {
  number: number;
  prefix: string;
}

/** A block is claimed by listening on a loopback address: the claim ends with the process, however it ends. */
async function claimFirst(candidates: readonly Candidate[]): Promise<AddressBlock> {
  for (const { number, prefix } of candidates) {
    const claim = await listen(`127.${number}.255.254`);
    if (claim !== undefined) {
      return {
        prefix,
        pods: createAddressPool(prefix, 1, 127),
        services: createAddressPool(prefix, 128, 112),
        nodes: createAddressPool(prefix, 240, 15),
        release: () => new Promise((resolve) => claim.close(() => resolve())),
      };
    }
  }
  throw new Error(
    `None of ${candidates.length} free blocks of addresses could be claimed: stop a sandbox that is no longer needed.`,
  );
}

function shuffled<T>(list: readonly T[]): T[] {
  const start = Math.floor(Math.random() * list.length);
  return [...list.slice(start), ...list.slice(0, start)];
}

/** The first and the last address of a network, as numbers. */
function rangeOf(network: string): [number, number] {
  const [address = '', bits = '32'] = network.split('/');
  const start = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(bits));
  return [start, start + size - 1];
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

/** Addresses `prefix.first.1` to `prefix.(first + count - 1).254`, with `suffix` after each when the prefix is one number. */
export function createAddressPool(prefix: string, first: number, count: number, suffix = ''): AddressPool {
  const used = new Set<string>();
  const size = count * 254;
  let next = 0;

  function allocate(): string {
    for (let tries = 0; tries < size; tries += 1) {
      const address = `${prefix}.${first + Math.floor(next / 254)}.${(next % 254) + 1}${suffix}`;
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
