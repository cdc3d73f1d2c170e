import type { Logger } from 'pino';
import { Controller } from '../controller/controller.js';
import type { SidecarImage } from '../controller/sidecars/container.js';
import { ApiError } from '../kubernetes/errors.js';
import { namespaces } from '../kubernetes/resource.js';
import { addressPolicy, type Connection } from './connect.js';
import { newIdentity } from './identity.js';

/** The bundle of the probe worker lies beside this one. */
export const probeWorker = new URL('./probe-worker.js', import.meta.url);

/**
 * Starts a controller in this process. It stands by at once, and acts when it leads. `NODE_NAME` says on which node that
 * is; an installation sets it.
 * @param sidecars what sidecars run from; left out: there can be none
 */
export async function startController(
  connection: Connection,
  log: Logger,
  sidecars?: SidecarImage,
): Promise<Controller> {
  const node = process.env.NODE_NAME;
  const controller = new Controller({
    client: connection.client,
    namespace: connection.systemNamespace,
    identity: newIdentity(),
    workerUrl: probeWorker,
    policy: await addressPolicy(connection),
    log,
    ...(sidecars && { sidecars }),
    ...(node && { node }),
  });
  controller.start();
  return controller;
}

/** Makes sure that Squall's own namespace is there; without the right to, it is taken to be. */
export async function ensureNamespace({ client, systemNamespace }: Connection): Promise<void> {
  try {
    await client.create(namespaces, { metadata: { name: systemNamespace } });
  } catch (error) {
    if (!(error instanceof ApiError && (error.isAlreadyExists || error.isForbidden))) throw error;
  }
}
