import { customResourceDefinition } from '../api/kind.js';
import { kinds } from '../catalogue.js';
import { ensure } from '../kubernetes/apply.js';
import type { Client } from '../kubernetes/client.js';
import { UnknownKindError } from '../kubernetes/client.js';
import type { KubeObject } from '../kubernetes/resource.js';

const SERVED_WITHIN_MILLISECONDS = 30_000;

/**
 * Installs the four CRDs, and waits until they are served.
 *
 * @throws Error when they are not served within 30 s
 */
export async function installCrds(client: Client): Promise<void> {
  for (const kind of kinds) await ensure(client, customResourceDefinition(kind) as unknown as KubeObject);
  const deadline = performance.now() + SERVED_WITHIN_MILLISECONDS;
  for (const kind of kinds) {
    while (!(await isServed(client, kind.kind))) {
      if (performance.now() > deadline)
        throw new Error(`the API server does not serve ${kind.plural}.squall.dev 30 s after its CRD was installed`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

async function isServed(client: Client, kind: string): Promise<boolean> {
  try {
    await client.discover('squall.dev/v1alpha1', kind);
    return true;
  } catch (error) {
    if (error instanceof UnknownKindError) return false;
    throw error;
  }
}
