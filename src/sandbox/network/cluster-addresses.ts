import { type Controller, ownKey } from '../controllers/controller.js';
import { isTerminating, splitKey } from '../controllers/objects.js';
import type { KubeObject, Store } from '../store/types.js';
import type { AddressPool } from './addresses.js';

/** Gives each Service that needs one a cluster address, and takes it back when the Service goes. */
export function clusterAddressController(store: Store, pool: AddressPool): Controller {
  function reconcile(key: string): undefined {
    const [namespace, name] = splitKey(key);
    const service = store.get('services', namespace, name);
    if (service === undefined || isTerminating(service) || !needsAddress(service)) {
      return;
    }
    const address = pool.allocate();
    store.update('services', namespace, name, (draft) => {
      draft.spec.clusterIP = address;
      draft.spec.clusterIPs = [address];
      draft.spec.ipFamilies = ['IPv4'];
      draft.spec.ipFamilyPolicy = 'SingleStack';
      draft.status ??= { loadBalancer: {} };
    });
  }

  return {
    watches: {
      services: (service, { type }) => {
        if (type === 'DELETED' && service.spec.clusterIP) {
          pool.release(service.spec.clusterIP);
        }
        return ownKey(service);
      },
    },
    reconcile,
  };
}

function needsAddress({ spec }: KubeObject): boolean {
  return spec.type !== 'ExternalName' && !spec.clusterIP;
}
