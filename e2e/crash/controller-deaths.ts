import { type Boundaries, type Death, toTheEnd, withScene } from './agent-deaths.js';
import type { CrashFault } from './faults.js';
import { Scene, type SceneResult } from './scene.js';
import type { Site } from './site.js';
import type { Station } from './station.js';

const NODE = 'n1';

/** Runs all faults at once while the controller is killed and started again at once; or not, to see what it passes. */
export async function controllerDies(
  site: Site,
  station: Station,
  faults: readonly CrashFault[],
  death?: Death,
): Promise<{ results: SceneResult[]; boundaries: Boundaries }> {
  const { controller } = site;
  if (!controller) throw new Error('there is no controller');
  const scenes = faults.map((fault) => new Scene(site, station, NODE, fault));
  const isOver = () => scenes.every((scene) => scene.isFinished || scene.problems.length > 0);
  const replaced = replace(site, isOver);
  controller.arm(death && 'nth' in death ? death.nth : Number.POSITIVE_INFINITY);
  const timer =
    death && 'afterMilliseconds' in death
      ? setTimeout(() => void controller.kill(), death.afterMilliseconds)
      : undefined;
  const results = await Promise.all(
    scenes.map((scene) =>
      withScene(scene, death ? 'controller' : 'nobody', async () => {
        await scene.begin();
        await toTheEnd(scene, /^Passed/);
        return whereabouts();
      }),
    ),
  );
  clearTimeout(timer);
  await replaced;
  function whereabouts(): string {
    if (!controller?.hasEnded) return death ? 'not reached' : 'a run';
    return controller.killedAt ?? 'some time';
  }
  return { results, boundaries: [...controller.boundaries] };
}

/** Starts another controller as soon as this one is dead. */
async function replace(site: Site, isOver: () => boolean): Promise<void> {
  while (!isOver() && !site.controller?.hasEnded) await new Promise((resolve) => setTimeout(resolve, 50));
  if (!site.controller?.hasEnded) return;
  site.forgetController();
  await site.startController();
}
