import { connectTo } from '../cli/connect.js';
import { createLog } from '../cli/log.js';
import { Controller } from '../controller/controller.js';
import { clusterAt } from '../kubernetes/kubeconfig.js';

/** What a controller in a process of its own is started with: JSON in its first argument. */
export interface ControllerProcessSettings {
  server: string;
  workerUrl: string;
  identity: string;
  lease: { leaseDurationMs: number; renewEveryMs: number; renewDeadlineMs: number };
}

// The entry of the bundle that `controllers.ts` makes: what `squall controller` runs, with a shorter Lease.
const { server, workerUrl, identity, lease }: ControllerProcessSettings = JSON.parse(process.argv[2] ?? '{}');
const connection = connectTo(clusterAt(server), {}, identity);
const controller = new Controller({
  client: connection.client,
  namespace: connection.systemNamespace,
  identity,
  workerUrl: new URL(workerUrl),
  policy: { blockLoopback: false, blocked: [] },
  log: createLog('debug'),
  lease,
});
controller.start();
process.once('SIGTERM', async () => {
  await controller.stop();
  connection.close();
  process.stdin.destroy();
});
// Outlives no test run, however that ended.
process.stdin.resume().once('end', () => process.exit(1));
