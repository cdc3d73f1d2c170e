import { UnknownKindError } from '../kubernetes/client.js';
import { type ClusterOptions, connect } from './connect.js';
import { onInterrupt } from './interrupt.js';
import { exitCodes, type Io, UsageError } from './io.js';
import { createLog, ensureNamespace, startController } from './start-controller.js';
import { version } from './version.js';

/** `squall controller`: carries out runs until SIGTERM or SIGINT, and then hands over. */
export async function controllerCommand(options: ClusterOptions & { debug?: boolean }, _io: Io): Promise<number> {
  const log = createLog(options.debug ? 'debug' : 'info');
  const connection = await connect(options, 'controller');
  try {
    await connection.client.discover('squall.dev/v1alpha1', 'ExperimentRun').catch((error: unknown) => {
      if (!(error instanceof UnknownKindError)) throw error;
      throw new UsageError(`${connection.cluster.server} does not serve Squall's kinds: kubectl apply -f crds/`);
    });
    await ensureNamespace(connection);
    const controller = startController(connection, { log });
    log.info(
      { version, server: connection.cluster.server, namespace: connection.systemNamespace },
      'Controller started',
    );
    await new Promise<void>((resolve) => {
      onInterrupt((count, signal) => {
        // Whoever asks twice does not want to wait; the next controller finds everything in the objects.
        if (count > 1) process.exit(exitCodes.Aborted);
        log.info({ signal }, 'Handing over');
        resolve();
      });
    });
    await controller.stop();
    log.info({}, 'Controller stopped');
    return exitCodes.Passed;
  } finally {
    connection.close();
  }
}
