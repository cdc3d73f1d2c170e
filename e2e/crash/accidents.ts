import { appendFileSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { MARKER } from '../../src/agent/tcp-delay/status.js';
import { processesIn as processesOfContainer } from '../../src/testing/machine-traces.js';
import { toTheEnd, withScene } from './agent-deaths.js';
import { MARK } from './doomed-process.js';
import type { CrashFault } from './faults.js';
import { Scene, type SceneResult } from './scene.js';
import type { Site } from './site.js';
import { processesIn, processesOf, processesWith } from './spaces.js';
import type { Station } from './station.js';

const HOUR_MILLISECONDS = 3_600_000;
/** Pods get 30 s to end, and a new agent of the node waits for the one before. */
const STOP_MILLISECONDS = 10_000;

/** Something that goes wrong while a fault is on. */
export interface Accident {
  what: string;
  /** The names of the faults during which it is tried. */
  faults: readonly string[];
  step?: object;
  happen(scene: Scene): void | Promise<void>;
  /** What the run may say in the end. */
  verdict: RegExp;
  /** How often the fault must be recorded to have vanished. */
  drifts?: number;
}

const network = ['loss egress', 'loss ingress', 'rate egress', 'rate ingress', 'partition'];
const classes = ['loss egress', 'rate egress', 'partition'];
const lasting = [...network, 'delay by proxy', 'process pause'];
/** One for each way in which a fault is kept on. */
const kinds = ['loss egress', 'rate ingress', 'delay by proxy', 'process pause'];

/** Begins the same agent anew, when something was done to what it left. */
async function restartAgent({ site, node }: Scene, meanwhile: (journal: string) => void = () => {}): Promise<void> {
  await site.agents.get(node)?.kill();
  meanwhile(join(site.stateOf(node), 'journal', 'journal'));
  await site.startAgent(node);
}

function killMain({ space }: Scene): void {
  const [main = 0] = processesOfContainer(space.containerID);
  process.kill(main, 'SIGKILL');
}

/** Kills what an agent has started. */
function killHelpers(helpers: readonly number[]): void {
  if (helpers.length === 0) throw new Error('the agent has started no helper');
  for (const pid of helpers) process.kill(pid, 'SIGKILL');
}

/** All accidents that leave the API server, the controller and the pod's name as they are. */
export const accidents: readonly Accident[] = [
  { what: 'the container is killed', faults: lasting, happen: killMain, verdict: /^Passed/ },
  {
    what: 'somebody flushes nft',
    faults: [...network, 'delay by proxy'],
    happen: async ({ space }) => void (await space.run('nft', 'flush', 'ruleset')),
    verdict: /^Passed/,
    drifts: 1,
  },
  {
    what: 'somebody flushes nft, and it is to end then',
    faults: ['loss ingress', 'delay by proxy'],
    step: { onDrift: 'End' },
    happen: async ({ space }) => void (await space.run('nft', 'flush', 'ruleset')),
    verdict: /^Inconclusive\/FaultLost/,
  },
  {
    what: 'somebody deletes the root qdisc',
    faults: classes,
    happen: async ({ space }) => void (await space.run('tc', 'qdisc', 'del', 'dev', 'eth0', 'root')),
    verdict: /^Passed/,
    drifts: 1,
  },
  {
    what: 'somebody deletes our device',
    faults: ['rate ingress'],
    happen: async ({ space }) => {
      const [, device = ''] = /(sq[0-9a-f]{8})/.exec(await space.run('ip', '-o', 'link')) ?? [];
      await space.run('ip', 'link', 'del', device);
    },
    verdict: /^Passed/,
    drifts: 1,
  },
  {
    what: 'the proxy is killed',
    faults: ['delay by proxy'],
    happen: ({ space }) => killHelpers(processesWith(MARKER).filter((pid) => processesIn(space.name).includes(pid))),
    verdict: /^Passed/,
    drifts: 1,
  },
  {
    what: 'the guard of pauses is killed',
    faults: ['process pause'],
    happen: ({ site, node }) => killHelpers(processesWith('pause-guard.js', `${MARK}=${site.markOf(node)}`)),
    verdict: /^Passed/,
  },
  {
    what: 'somebody lets the processes go on',
    faults: ['process pause'],
    happen: ({ space }) => {
      for (const pid of processesOf(space.uid)) process.kill(pid, 'SIGCONT');
    },
    verdict: /^Passed/,
    drifts: 1,
  },
  {
    what: 'the agent is replaced in order',
    faults: kinds,
    happen: async (scene) => {
      const { site, node } = scene;
      const begun = performance.now();
      await site.agents.get(node)?.stop();
      const took = performance.now() - begun;
      scene.refuse(took > STOP_MILLISECONDS, `the agent took ${Math.round(took)} ms to end`);
      await site.startAgent(node);
    },
    verdict: /^Passed/,
  },
  {
    what: 'the journal ends in half a record',
    faults: ['loss egress', 'process pause'],
    happen: (scene) =>
      restartAgent(scene, (journal) => {
        const text = readFileSync(journal, 'utf8');
        appendFileSync(journal, text.slice(0, Math.floor(text.length / 2)));
      }),
    verdict: /^Passed/,
  },
  {
    what: 'the undo record itself is torn',
    faults: lasting,
    happen: (scene) => restartAgent(scene, (journal) => truncateSync(journal, statSync(journal).size - 20)),
    verdict: /^(Passed|Error)/,
  },
  {
    what: "the agent's clock is an hour ahead",
    faults: kinds,
    happen: ({ site, node }) => site.agents.get(node)?.tell({ stepClock: HOUR_MILLISECONDS }),
    verdict: /^Passed/,
  },
  {
    what: "the agent's clock is an hour behind",
    faults: kinds,
    happen: ({ site, node }) => site.agents.get(node)?.tell({ stepClock: -HOUR_MILLISECONDS }),
    verdict: /^Passed/,
  },
  {
    what: 'a second agent is started on the node',
    faults: ['loss egress', 'process pause'],
    happen: async (scene) => {
      const second = scene.site.launchAgent(scene.node);
      await second.ended;
      scene.refuse(!/is in use by another agent/.test(second.log), `the second agent said ${second.log}`);
    },
    verdict: /^Passed/,
  },
  {
    what: 'the API server forgets the pod, which still runs',
    faults: kinds,
    happen: ({ site, name }) =>
      site.local.cluster.knobs.set({
        faults: [...site.local.cluster.knobs.settings.faults, { method: 'GET', path: `/pods/${name}$`, code: 404 }],
      }),
    verdict: /^(Passed|Inconclusive)/,
  },
];

/** Plays an accident with one fault. */
export function accident(
  site: Site,
  station: Station,
  node: string,
  fault: CrashFault,
  spec: Accident,
): Promise<SceneResult> {
  return withScene(new Scene(site, station, node, fault), 'accident', async (scene) => {
    await scene.begin('10s', spec.step);
    await scene.isOn();
    await spec.happen(scene);
    await toTheEnd(scene, spec.verdict);
    const drifts = scene.site.run(scene.name)?.status?.steps?.[0]?.drifts ?? 0;
    scene.refuse(spec.drifts !== undefined && drifts !== spec.drifts, `it vanished ${drifts} times: ${scene.told()}`);
    return spec.what;
  });
}
