import { missingCapabilities } from '../agent/linux-capabilities.js';
import { NodePlaces } from '../agent/node-place.js';
import { runProgram } from '../agent/run-program.js';
import { tryAbilities } from '../agent/try-abilities.js';

// What an agent does to a pod, in a process of its own, for it to have fewer capabilities. Prints for each part `''` or
// what went wrong.
const pod = JSON.parse(process.argv[2] ?? '{}');
const places = new NodePlaces({ run: runProgram });

async function attempt(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

async function inPod(program: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await (await places.find(pod)).run(program, args);
  if (code !== 0) throw new Error(stderr.trim());
}

const results = {
  missing: await missingCapabilities(),
  abilities: await tryAbilities(runProgram),
  find: await attempt(() => places.find(pod)),
  change: await attempt(async () => {
    await inPod('nft', 'add table inet squall_try');
    await inPod('tc', 'qdisc', 'add', 'dev', 'eth0', 'root', 'handle', '5351:', 'htb', 'default', '0');
    await inPod('tc', 'qdisc', 'delete', 'dev', 'eth0', 'root');
    await inPod('nft', 'delete table inet squall_try');
  }),
  become: await attempt(async () => {
    const { code, stderr } = await runProgram('setpriv', ['--reuid=12346', '--regid=12346', '--clear-groups', 'true']);
    if (code !== 0) throw new Error(stderr.trim());
  }),
  signal: await attempt(async () => {
    for (const { pid } of await (await places.find(pod)).processes()) process.kill(pid, 'SIGSTOP');
  }),
};
process.stdout.write(JSON.stringify(results));
