import { connect, createServer, type Socket } from 'node:net';
import type { Isolation } from '../isolation/isolation.js';

/**
 * Lets pods with a network namespace of their own reach a port of the loopback, at the same port of the gateway. Nobody
 * else: other machines might have a route to that address.
 *
 * @returns how to end it
 * @throws Error when the port is taken there
 */
export async function startGateway(
  gateway: NonNullable<Isolation['gateway']>,
  port: number,
): Promise<() => Promise<void>> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (!gateway.admits(client.remoteAddress ?? '')) {
      client.destroy();
      return;
    }
    const upstream = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
    client.pipe(upstream).pipe(client);
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroySoon();
      });
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, gateway.address, resolve);
  });
  return async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) {
      socket.destroy();
    }
    await closed;
  };
}
