import { withScene } from './agent-deaths.js';
import type { CrashFault } from './faults.js';
import { Scene, type SceneResult } from './scene.js';
import type { Site } from './site.js';
import type { Station } from './station.js';

/** What several faults go through at the same time. */
export interface Play {
  victim: string;
  what: string;
  duration: string;
  /** Called when all of them are on, or could not be. */
  happen(scenes: readonly Scene[]): Promise<void>;
}

/** Plays one scene with each fault, on targets of one node. */
export async function together(
  site: Site,
  station: Station,
  node: string,
  faults: readonly CrashFault[],
  { victim, what, duration, happen }: Play,
): Promise<SceneResult[]> {
  const scenes = faults.map((fault) => new Scene(site, station, node, fault));
  let isReady = () => {};
  const ready = new Promise<void>((resolve) => {
    isReady = resolve;
  });
  let waiting = scenes.length;
  const happened = ready.then(() => happen(scenes.filter(({ problems }) => problems.length === 0)));
  const begin = async (scene: Scene) => {
    try {
      await scene.prepare();
      await scene.begin(duration);
      await scene.isOn();
    } finally {
      waiting -= 1;
      if (waiting === 0) isReady();
    }
  };
  const play = async (scene: Scene) => {
    await begin(scene).catch((error: Error) => scene.problems.push(error.message));
    await happened;
    return what;
  };
  return Promise.all(scenes.map((scene) => withScene(scene, victim, play, false)));
}

/** Resolves after so many milliseconds. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
