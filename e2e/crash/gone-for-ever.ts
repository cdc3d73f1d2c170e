import { withScene } from './agent-deaths.js';
import type { CrashFault } from './faults.js';
import { Scene, type SceneResult } from './scene.js';
import type { Site } from './site.js';
import type { Station } from './station.js';
import { sleep, together } from './together.js';

/** What the kernel, the proxy and the guard of pauses promise; the rest is for a look that takes a while. */
const OVER_MILLISECONDS = 30_000;
const LOOK_MILLISECONDS = 1_500;
/** The agent looks for the controller every 5 s, and gives it 30 s. */
const DEAD_MAN_MILLISECONDS = 40_000;
const WATCH_MILLISECONDS = 34_000;
const VERDICT_MILLISECONDS = 150_000;
const BACK_MILLISECONDS = 15_000;

/** An agent dies while it puts a fault on, and no other one comes before the run has ended. */
export function agentIsGone(
  site: Site,
  station: Station,
  node: string,
  fault: CrashFault,
  nth: number,
): Promise<SceneResult> {
  return withScene(new Scene(site, station, node, fault), 'agent, for ever', async (scene) => {
    const agent = site.agents.get(node);
    if (!agent) throw new Error(`${node} has no agent`);
    agent.arm(nth);
    await scene.begin('10s');
    await agent.ended;
    await isOverBy(scene, agent.endedAt);
    await scene.finished(VERDICT_MILLISECONDS);
    isNoPass(scene);
    await site.startAgent(node);
    await isCleared(scene);
    return agent.killedAt ?? '';
  });
}

/** An agent dies while faults are on, and no other one comes before their runs have ended. */
export function agentIsGoneWhileOn(
  site: Site,
  station: Station,
  node: string,
  faults: readonly CrashFault[],
): Promise<SceneResult[]> {
  const happen = async (scenes: readonly Scene[]) => {
    const agent = site.agents.get(node);
    await agent?.kill();
    await Promise.all(scenes.map((scene) => isOverBy(scene, agent?.endedAt ?? 0)));
    await Promise.all(scenes.map((scene) => scene.finished(VERDICT_MILLISECONDS)));
    scenes.forEach(isNoPass);
    await site.startAgent(node);
    await Promise.all(scenes.map(isCleared));
  };
  return together(site, station, node, faults, {
    victim: 'agent, for ever',
    what: 'while it was on',
    duration: '10s',
    happen,
  });
}

/** The controller dies while faults are on, and no other one comes for longer than the dead-man switch waits. */
export function controllerIsGone(
  site: Site,
  station: Station,
  node: string,
  faults: readonly CrashFault[],
): Promise<SceneResult[]> {
  const happen = async (scenes: readonly Scene[]) => {
    await site.controller?.kill();
    const since = performance.now();
    await sleep(DEAD_MAN_MILLISECONDS);
    for (const scene of scenes) {
      await scene.isAsBefore();
      await scene.monitor.stop();
      lasted(scene, since, DEAD_MAN_MILLISECONDS);
      scene.isTrue();
    }
    await site.startController();
    await Promise.all(scenes.map(isControllerLost));
  };
  return together(site, station, node, faults, {
    victim: 'controller, for ever',
    what: 'while it was on',
    duration: '2m',
    happen,
  });
}

/** Agent and controller die at once; both come back when the effect must be over by itself. */
export function bothAreGone(
  site: Site,
  station: Station,
  node: string,
  faults: readonly CrashFault[],
): Promise<SceneResult[]> {
  const happen = async (scenes: readonly Scene[]) => {
    await Promise.all([site.controller?.kill(), site.agents.get(node)?.kill()]);
    const since = performance.now();
    await Promise.all(scenes.map((scene) => isOverBy(scene, since)));
    await Promise.all([site.startAgent(node), site.startController()]);
    await Promise.all(scenes.map(isToldOf));
  };
  return together(site, station, node, faults, {
    victim: 'both, for ever',
    what: 'while it was on',
    duration: '60s',
    happen,
  });
}

/** Watches until the effect must have been over for a while. */
async function isOverBy(scene: Scene, since: number): Promise<void> {
  await sleep(Math.max(0, since + WATCH_MILLISECONDS - performance.now()));
  await scene.monitor.stop();
  lasted(scene, since, OVER_MILLISECONDS + LOOK_MILLISECONDS);
}

function lasted(scene: Scene, since: number, bound: number): void {
  const { lastHit = since } = scene.monitor;
  scene.lastedMilliseconds = Math.max(0, lastHit - since);
  const seconds = scene.lastedMilliseconds / 1_000;
  scene.refuse(scene.lastedMilliseconds > bound, `the effect lasted ${seconds.toFixed(1)} s`);
}

function isNoPass(scene: Scene): void {
  scene.refuse(!/AgentMissing|Cleanup/.test(scene.verdict), `it ended with ${scene.verdict}: ${scene.told()}`);
}

async function isCleared(scene: Scene): Promise<void> {
  await scene.isAsBefore(BACK_MILLISECONDS);
  await scene.isForgotten();
}

async function isControllerLost(scene: Scene): Promise<void> {
  await isEnded(scene, () => scene.verdict === 'Error/ControllerLost');
}

/** When both come back at once the agent may find a controller that lives: then it puts the fault on again, and says so. */
async function isToldOf(scene: Scene): Promise<void> {
  const drifts = () => scene.site.run(scene.name)?.status?.steps?.[0]?.drifts ?? 0;
  await isEnded(scene, () => scene.verdict === 'Error/ControllerLost' || drifts() > 0);
}

async function isEnded(scene: Scene, isTrue: () => boolean): Promise<void> {
  await scene.finished();
  scene.refuse(!isTrue(), `it ended with ${scene.verdict}: ${scene.told()}`);
  await scene.isAsBefore();
  await scene.isForgotten();
}
