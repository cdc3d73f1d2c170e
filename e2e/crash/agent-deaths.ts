import type { CrashFault } from './faults.js';
import { between } from './random.js';
import { Scene, type SceneResult } from './scene.js';
import type { Site } from './site.js';
import type { Station } from './station.js';

/** Where a process is killed: at the nth boundary that it passes from the start of a run, or so many milliseconds later. */
export type Death = { nth: number } | { afterMilliseconds: number };

/** The boundaries of one run, in the order in which they are passed. */
export type Boundaries = readonly string[];

/** Runs a fault to its end while nobody dies; the boundaries that its agent passed are what the others die at. */
export async function rehearse(
  site: Site,
  station: Station,
  node: string,
  fault: CrashFault,
): Promise<{ result: SceneResult; boundaries: Boundaries }> {
  const agent = site.agents.get(node);
  return withScene(new Scene(site, station, node, fault), 'nobody', async (scene) => {
    agent?.arm(Number.POSITIVE_INFINITY);
    await scene.begin();
    await toTheEnd(scene, /^Passed/);
    return 'a run';
  }).then((result) => ({ result, boundaries: [...(agent?.boundaries ?? [])] }));
}

/** Runs a fault while its agent is killed and started again at once. */
export async function agentDies(
  site: Site,
  station: Station,
  node: string,
  fault: CrashFault,
  death: Death,
): Promise<SceneResult> {
  return withScene(new Scene(site, station, node, fault), 'agent', async (scene) => {
    const agent = site.agents.get(node);
    if (!agent) throw new Error(`${node} has no agent`);
    agent.arm('nth' in death ? death.nth : Number.POSITIVE_INFINITY);
    await scene.begin();
    const timer =
      'afterMilliseconds' in death ? setTimeout(() => void agent.kill(), death.afterMilliseconds) : undefined;
    await Promise.race([agent.ended, scene.finished()]);
    clearTimeout(timer);
    if (agent.hasEnded) await site.startAgent(node);
    // On a busy machine the next agent may come too late for a packet to be seen, and then the run has to say so.
    await toTheEnd(scene, /^(Passed|Inconclusive\/FaultNotEffective)/);
    const when = 'nth' in death ? `at ${death.nth}` : `after ${death.afterMilliseconds} ms`;
    return `${when}: ${agent.hasEnded ? (agent.killedAt ?? 'some time') : 'not reached'}`;
  });
}

/** One of each kind of boundary, by a seed: before the intent, between it and the effect, after that, while reverting. */
export function sampleOf(boundaries: Boundaries, random: () => number): number[] {
  const { intent, on } = landmarksOf(boundaries);
  const off = Math.ceil((on + boundaries.length) / 2);
  const cuts = [0, intent - 1, on, off, boundaries.length];
  return cuts.slice(1).flatMap((end, index) => {
    const start = cuts[index] ?? 0;
    return end > start ? [between(random, start + 1, end)] : [];
  });
}

/** The boundaries at which something may be on the target and nobody has said so. */
export function betweenIntentAndEffect(boundaries: Boundaries): number[] {
  const { intent, on } = landmarksOf(boundaries);
  return Array.from({ length: on - intent + 1 }, (_, index) => intent + index);
}

/** Which boundary is the first with an intent on disk, and which the first at which the fault is on. */
function landmarksOf(boundaries: Boundaries): { intent: number; on: number } {
  return {
    intent: boundaries.findIndex((name) => name.startsWith('after sync')) + 1,
    on: boundaries.findIndex((name) => /^before PATCH.*(Confirmed|Effective)/.test(name)) + 1,
  };
}

/**
 * Waits until a run is over and nothing of it is left, and checks that all that was said of it is so.
 * @param isThere whether the target lives, and can be as before
 */
export async function toTheEnd(scene: Scene, verdict: RegExp, isThere = true): Promise<void> {
  await scene.finished();
  if (isThere) await scene.isAsBefore();
  await scene.monitor.stop();
  scene.isTrue();
  await scene.isForgotten();
  scene.refuse(!verdict.test(scene.verdict), `it ended with ${scene.verdict} instead of ${verdict}: ${scene.told()}`);
  await scene.wasHitOnce();
}

/**
 * Plays a scene with a target of its own. Whatever goes wrong is a problem in its result.
 * @param prepares whether the target is made first; otherwise `play` does that
 */
export async function withScene(
  scene: Scene,
  victim: string,
  play: (scene: Scene) => Promise<string>,
  prepares = true,
): Promise<SceneResult> {
  let what = '';
  try {
    if (prepares) await scene.prepare();
    what = await play(scene);
  } catch (error) {
    scene.problems.push((error as Error).stack ?? String(error));
  } finally {
    if (scene.problems.length > 0)
      scene.problems.push(`agent: ${scene.site.agents.get(scene.node)?.log.slice(-3_000)}`);
    await scene.end().catch((error) => scene.problems.push(String(error)));
  }
  return scene.result(victim, what);
}
