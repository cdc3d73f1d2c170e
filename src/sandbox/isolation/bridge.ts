import { randomBytes } from 'node:crypto';
import type { Watchdog } from '../kubelet/watchdog.js';
import { type AddressBlock, claimPrivateBlock } from '../network/addresses.js';
import { runCommand } from './run-command.js';

const prefixBits = 17;

/** The network that joins the pods of one sandbox with each other and with the machine. */
export interface Bridge {
  device: string;
  block: AddressBlock;
  /** The machine's address in it, which the kubelet's connections to pods come from. */
  gateway: string;
  /** A second one, which all other connections to pods come from. */
  proxyAddress: string;
  /** Commands for `ip -batch` in the network namespace of a pod, once its eth0 is there. */
  podCommands(address: string): string[];
  /** All addresses of a pod, given the one it got from the block. */
  addressesOf(address: string): string[];
}

/**
 * Makes a bridge in this network namespace with a block of private addresses that nobody uses: pods in the lower half;
 * all of the upper half are addresses of this machine, to listen on, as 127.0.0.0/8 is. With IPv6 where there is any.
 *
 * @param device what to call it
 * @throws Error when the kernel refuses it or no block is free
 */
export async function makeBridge(watchdog: Watchdog, device: string): Promise<Bridge> {
  const ip = (...lines: string[]) => runCommand(watchdog, ['ip', '-batch', '-'], `${lines.join('\n')}\n`);
  const block = await claimPrivateBlock(await networksInUse(watchdog));
  const { prefix } = block;
  const gateway = `${prefix}.0.1`;
  const proxyAddress = `${prefix}.0.2`;
  watchdog.guardDevices(device);
  try {
    await ip(
      `link add ${device} address ${macAddress()} type bridge`,
      `address add ${gateway}/${prefixBits} dev ${device}`,
      `address add ${proxyAddress}/${prefixBits} dev ${device}`,
      `link set ${device} up`,
      `route add local ${prefix}.128.0/${prefixBits} dev ${device}`,
    );
    // Random, as RFC 4193 asks for.
    const local = uniqueLocalPrefix(randomBytes(5));
    const hasIPv6 = await ip(`address add ${local}::1/64 dev ${device} nodad`).then(
      () => true,
      () => false,
    );
    const sixth = (address: string) => `${local}::${suffixOf(address)}`;
    return {
      device,
      block,
      gateway,
      proxyAddress,
      podCommands: (address) => [
        'link set lo up',
        `address add ${address}/${prefixBits} dev eth0`,
        ...(hasIPv6 ? [`address add ${sixth(address)}/64 dev eth0 nodad`] : []),
        'link set eth0 up',
        `route add default via ${gateway}`,
        ...(hasIPv6 ? [`route add default via ${local}::1`] : []),
      ],
      addressesOf: (address) => (hasIPv6 ? [address, sixth(address)] : [address]),
    };
  } catch (error) {
    await block.release();
    throw error;
  }
}

/** IPv4 networks of addresses and routes, but the default route. */
async function networksInUse(watchdog: Watchdog): Promise<string[]> {
  const routes = await runCommand(watchdog, ['ip', '-4', 'route', 'show', 'table', 'all']);
  return [...routes.matchAll(/^(?:[a-z]+ )?(\d+\.\d+\.\d+\.\d+(?:\/\d+)?) /gm)].map(([, network]) => network!);
}

/**
 * A hardware address of our own, locally administered. A bridge without one takes the lowest of its ports, and another
 * when that pod leaves: all others would go on answering to the address they have in their caches, and be cut off.
 */
function macAddress(): string {
  return ['02', ...randomBytes(5).toString('hex').match(/../g)!].join(':');
}

/** The first three groups of a unique local address (RFC 4193), without leading zeros as everybody writes them (RFC 5952). */
function uniqueLocalPrefix(bytes: Buffer): string {
  const groups = `fd${bytes.toString('hex')}`.match(/.{4}/g) ?? [];
  return groups.map((group) => group.replace(/^0+(?=.)/, '')).join(':');
}

/** The last two numbers of an IPv4 address, in hexadecimal. */
function suffixOf(address: string): string {
  const [, , third = 0, fourth = 0] = address.split('.').map(Number);
  return (third * 256 + fourth).toString(16);
}
