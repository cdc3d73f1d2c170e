import { once } from 'node:events';
import { createServer } from 'node:net';
import { type ContainerProcess, startContainerProcess } from '../kubelet/container-process.js';
import { LogBuffer } from '../kubelet/log-buffer.js';
import type { KubeObject } from '../store/types.js';
import type { Isolation } from './isolation.js';

const patienceMilliseconds = 15_000;

/** Listens on the address $1 until it has served one connection. */
const server = "require('node:net').createServer((socket) => process.exit()).listen(1, process.argv[1])";
/** Connects to the addresses it is given, each until that works, and ends. */
const client = `
const { connect } = require('node:net');
const reach = (host) => new Promise((resolve) => {
  const again = () => setTimeout(() => reach(host).then(resolve), 20);
  connect({ host, port: 1 }).once('connect', resolve).once('error', again);
});
Promise.all(process.argv.slice(1).map(reach)).then(() => process.exit());
`;

/**
 * Makes two pods, and lets one connect to the other and to a Service's address: a firewall of the machine may be in the
 * way, such as the one that Docker sets up for what is forwarded.
 *
 * @throws Error saying what does not work
 */
export async function tryNetwork(isolation: Isolation): Promise<void> {
  const { watchdog, services, directory } = isolation;
  const service = services.allocate();
  const listener = createServer((socket) => socket.destroy()).listen(1, service);
  const pods = ['a', 'b'].map((name) => {
    const pod = { metadata: { name, uid: name }, spec: {} } as KubeObject;
    return isolation.createSandbox(pod, service);
  });
  const processes: ContainerProcess[] = [];
  try {
    await Promise.all([once(listener, 'listening'), ...pods.map((pod) => pod.open())]);
    const start = (index: number, program: string, ...args: string[]) => {
      const command = [process.execPath, '-e', program, '--', ...args];
      const launch = { command, environment: { PATH: process.env.PATH ?? '' }, workingDirectory: directory };
      const started = startContainerProcess(pods[index]!.newRun().enter(launch), new LogBuffer(), watchdog);
      processes.push(started);
      return started;
    };
    const target = pods[0]!.addresses[0]!;
    start(0, server, target);
    const { exited } = start(1, client, target, service);
    const tooLate = new Promise<undefined>((resolve) =>
      setTimeout(() => resolve(undefined), patienceMilliseconds).unref(),
    );
    if ((await Promise.race([exited, tooLate]))?.code !== 0) {
      throw new Error(
        `packets of pods did not get through within ${patienceMilliseconds / 1000} s: a firewall of this machine may drop what is forwarded on a bridge`,
      );
    }
  } finally {
    for (const each of processes) {
      each.signal('SIGKILL');
    }
    await Promise.all(processes.map(({ exited }) => exited));
    await Promise.all(pods.map((pod) => pod.close()));
    listener.close();
    services.release(service);
  }
}
