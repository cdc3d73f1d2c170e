import { Agent } from '../agent/agent.js';
import { nodeHandlers } from '../agent/handlers.js';
import { missingCapabilities } from '../agent/linux-capabilities.js';
import { NodePlaces } from '../agent/node-place.js';
import { runProgram } from '../agent/run-program.js';
import { tryAbilities } from '../agent/try-abilities.js';
import { DEFAULT_NAMESPACE } from '../api/labels.js';
import { Client } from '../kubernetes/client.js';
import { type ClusterConfig, clusterAt } from '../kubernetes/cluster-config.js';
import { inCluster, isInCluster } from '../kubernetes/in-cluster.js';
import { createTransport } from '../kubernetes/transport.js';
import { newIdentity } from './identity.js';
import { onInterrupt } from './interrupt.js';
import { exitCodes, UsageError } from './io.js';
import { createLog } from './log.js';
import { userAgent, version } from './version.js';

/** Options of `squall agent`. */
export interface AgentCommandOptions {
  node?: string;
  server?: string;
  state: string;
  /** Squall's own namespace. */
  systemNamespace?: string;
  namespace?: string;
  debug?: boolean;
}

/**
 * `squall agent`: carries out faults on the pods of one node until SIGTERM or SIGINT. What is on then stays on for the
 * next agent of the node; without one the kernel ends it within 30 s.
 *
 * Nothing here may load client-node, which would take more memory than the agent itself.
 */
export async function agentCommand(options: AgentCommandOptions): Promise<number> {
  const node = nodeOf(options);
  const cluster = await clusterOf(options);
  const namespace = options.systemNamespace ?? options.namespace ?? namespaceOf(cluster);
  const log = createLog(options.debug ? 'debug' : 'info');
  const transport = createTransport(cluster, { userAgent: userAgent('agent') });
  const agent = new Agent({
    client: new Client(transport),
    namespace,
    node,
    identity: newIdentity(),
    directory: options.state,
    places: new NodePlaces({ run: runProgram }),
    handlers: nodeHandlers(new URL('.', import.meta.url), (message) => log.warn({}, message)),
    run: runProgram,
    tryAbilities,
    missingCapabilities,
    log,
  });
  const asked = new Promise<NodeJS.Signals>((resolve) => {
    onInterrupt((count, signal) => {
      // Whoever asks twice does not want to wait; what is on is on disk.
      if (count > 1) process.exit(exitCodes.Aborted);
      resolve(signal);
    });
  });
  await agent.start();
  log.info({ version, node, server: cluster.server, namespace, state: options.state }, 'Agent started');
  log.info({ signal: await asked, ...agent.busy }, 'Leaving what is on to the next agent');
  await agent.stop();
  transport.close();
  log.info({}, 'Agent stopped');
  return exitCodes.Passed;
}

function nodeOf({ node = process.env.NODE_NAME }: AgentCommandOptions): string {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new UsageError(
      'squall agent works on the network and processes of other pods: it needs root on a Linux node, the node’s PID namespace (hostPID) and the capabilities that `squall install` gives it',
    );
  }
  if (!node)
    throw new UsageError(
      'squall agent needs to know the node it runs on: --node NAME, or NODE_NAME in its environment',
    );
  return node;
}

async function clusterOf({ server }: AgentCommandOptions): Promise<ClusterConfig> {
  if (server !== undefined) return clusterAt(server);
  if (isInCluster(process.env)) return inCluster(process.env);
  throw new UsageError(
    'squall agent found no service account of a pod: run it as the DaemonSet of `squall install`, or name a --server',
  );
}

/** The agent's pod is in Squall's own namespace. */
function namespaceOf({ context, namespace }: ClusterConfig): string {
  return context === 'in-cluster' ? namespace : DEFAULT_NAMESPACE;
}
