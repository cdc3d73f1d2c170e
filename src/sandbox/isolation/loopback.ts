import type { Watchdog } from '../kubelet/watchdog.js';
import { claimAddressBlock } from '../network/addresses.js';
import type { Isolation, PodSandbox } from './isolation.js';

/**
 * Pods with nothing but a loopback address of their own.
 *
 * @param reason why they have no more
 * @throws Error where 127.0.0.0/8 does not work
 */
export async function openLoopback(watchdog: Watchdog, directory: string, reason: string): Promise<Isolation> {
  const block = await claimAddressBlock();
  return {
    mode: 'loopback',
    reason,
    nodes: block.nodes,
    services: block.services,
    proxyAddress: undefined,
    gateway: undefined,
    watchdog,
    directory,
    createSandbox({ spec }, hostIP): PodSandbox {
      const own = spec.hostNetwork ? undefined : block.pods.allocate();
      return {
        addresses: [own ?? hostIP],
        open: () => Promise.resolve(),
        newRun: () => ({ id: undefined, enter: (launch) => launch, end: () => undefined }),
        async close() {
          if (own !== undefined) {
            block.pods.release(own);
          }
        },
      };
    },
    async release() {
      await watchdog.stop();
      await block.release();
    },
  };
}
