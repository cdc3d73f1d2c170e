import { Client } from '../kubernetes/client.js';
import type { Transport } from '../kubernetes/transport.js';

/**
 * A client over the same connections that asks `permit` right before every try of every write, also after it had to
 * wait for its turn or for the API server. What `permit` throws ends the write, and nothing of it was done.
 */
export function guardedClient({ transport }: Client, permit: () => void): Client {
  const guarded: Transport = {
    clock: transport.clock,
    server: transport.server,
    namespace: transport.namespace,
    request: (options) => {
      if (options.method === 'GET') return transport.request(options);
      const both = () => {
        permit();
        options.permit?.();
      };
      return transport.request({ ...options, permit: both });
    },
    watch: (options) => transport.watch(options),
    close: () => transport.close(),
  };
  return new Client(guarded);
}
