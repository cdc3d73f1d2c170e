import { CONTROLLER_LEASE } from '../api/labels.js';
import { ApiError } from '../kubernetes/errors.js';
import { leases } from '../kubernetes/resource.js';
import type { Connection } from './connect.js';
import { ControllerMissingError } from './io.js';

/** How long a run waits for a controller before it gives up. */
export const CONTROLLER_WITHIN_MILLISECONDS = 10_000;
const LOOK_EVERY_MILLISECONDS = 500;

/** Whether a controller leads: its Lease is held and was renewed within its duration, by the API server's clock. */
export async function controllerLeads({ client, systemNamespace }: Connection): Promise<boolean> {
  try {
    const { spec } = await client.get(leases, systemNamespace, CONTROLLER_LEASE);
    if (!spec?.holderIdentity || !spec.renewTime) return false;
    return client.clock.now() - Date.parse(spec.renewTime) < (spec.leaseDurationSeconds ?? 15) * 1000;
  } catch (error) {
    if (error instanceof ApiError && error.isNotFound) return false;
    throw error;
  }
}

/**
 * Waits until a controller leads.
 *
 * @throws ControllerMissingError when none does within 10 s
 */
export async function awaitController(connection: Connection): Promise<void> {
  const deadline = performance.now() + CONTROLLER_WITHIN_MILLISECONDS;
  while (!(await controllerLeads(connection))) {
    if (performance.now() > deadline) {
      throw new ControllerMissingError(
        `no controller holds the Lease ${connection.systemNamespace}/${CONTROLLER_LEASE}: start one with \`squall controller\`, or use --sandbox`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MILLISECONDS));
  }
}
