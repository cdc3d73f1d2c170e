import { CONTROLLER_LEASE } from '../../api/labels.js';
import type { KubeObject } from '../../kubernetes/resource.js';
import type { Contents } from './contents.js';

/** Whether a controller led when the cluster was read: its Lease was renewed within its duration. */
export function controllerLed(contents: Contents): boolean {
  const { holderIdentity, renewTime, leaseDurationSeconds = 15 } = leaseOf(contents)?.spec ?? {};
  return Boolean(holderIdentity) && contents.readAt - Date.parse(renewTime) < leaseDurationSeconds * 1_000;
}

function leaseOf(contents: Contents): KubeObject | undefined {
  return contents.list('leases').find(({ metadata }) => metadata.name === CONTROLLER_LEASE);
}

/** The pod of the controller that leads; undefined: none leads, or it runs outside of the cluster. */
export function controllerPod(contents: Contents): KubeObject | undefined {
  const holder = String(leaseOf(contents)?.spec?.holderIdentity ?? '');
  // The identity is the pod's name, and something that tells its processes apart.
  return contents
    .in('pods', contents.systemNamespace)
    .find(({ metadata: { name = '' } }) => holder === name || holder.startsWith(`${name}_`));
}

/** The node that the controller runs on; undefined: it is not known, as outside of a cluster. */
export function controllerNode(contents: Contents): string | undefined {
  return controllerPod(contents)?.spec?.nodeName;
}
