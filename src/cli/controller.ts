import { type ClusterOptions, connectToSquall } from './connect.js';
import { onInterrupt } from './interrupt.js';
import { exitCodes, type Io } from './io.js';
import { createLog } from './log.js';
import { ensureNamespace, startController } from './start-controller.js';
import { version } from './version.js';

/** A cluster that has just been started may take a while to answer. */
const API_SERVER_WITHIN_MILLISECONDS = 30_000;

/** Options of `squall controller`. */
export interface ControllerCommandOptions extends ClusterOptions {
  debug?: boolean;
  /** The image that Squall runs from, for sidecars. */
  image?: string;
}

/** `squall controller`: carries out runs until SIGTERM or SIGINT, and then hands over. */
export async function controllerCommand(options: ControllerCommandOptions, _io: Io): Promise<number> {
  const log = createLog(options.debug ? 'debug' : 'info');
  const connection = await connectToSquall(options, 'controller', API_SERVER_WITHIN_MILLISECONDS);
  try {
    await ensureNamespace(connection);
    const image = options.image ?? process.env.SQUALL_IMAGE;
    const controller = await startController(connection, log, image ? { image } : undefined);
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
