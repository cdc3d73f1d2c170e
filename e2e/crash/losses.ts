import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../processes.js';
import { toTheEnd, withScene } from './agent-deaths.js';
import type { CrashFault } from './faults.js';
import { Scene, type SceneResult } from './scene.js';
import type { Site } from './site.js';
import type { Station } from './station.js';
import { TargetSpace } from './target-space.js';
import { sleep, together } from './together.js';

const HOUR_MILLISECONDS = 3_600_000;
/** For as long as this, in milliseconds, nobody may be hit who is not meant. */
const WATCH_MILLISECONDS = 3_000;
/** Runs of 30 s end within this, whatever a clock says. */
const CLOCK_MILLISECONDS = 60_000;
const FOLLOW_MILLISECONDS = 20_000;

/** The target of a StatefulSet is deleted by force and replaced under its name: the new pod is hit only when it is to be. */
export function podIsReplaced(
  site: Site,
  station: Station,
  node: string,
  fault: CrashFault,
  follow: boolean,
): Promise<SceneResult> {
  return withScene(new Scene(site, station, node, fault, true), 'accident', async (scene) => {
    await scene.begin(follow ? '25s' : '10s', follow ? { targets: { ...site.targetsOf(scene.name), follow } } : {});
    await scene.isOn();
    await site.deletePod(`${scene.name}-0`);
    const next = await TargetSpace.open(await site.readyPod(`${scene.name}-0`, scene.space.uid), station);
    scene.onEnd(() => next.close());
    const isHit = () => fault.isHit(station, next.address, site.peer);
    if (follow) {
      const isOn = async () => site.isClaimed(scene.name, next.uid) && (await isHit());
      await scene.expect(isOn, () => `the new pod was not hit: ${scene.told()}`, FOLLOW_MILLISECONDS);
    } else {
      await eventually(
        async () => (await station.ask('read', next.address, site.peer)).received > 0,
        () => 'the new pod does not answer',
      );
      const end = performance.now() + WATCH_MILLISECONDS;
      while (performance.now() < end) scene.refuse(await isHit(), 'the new pod was hit');
    }
    await toTheEnd(scene, /^(Passed|Inconclusive)/, false);
    scene.refuse(await isHit(), 'the effect on the new pod is still there');
    const { nft, qdiscs, links } = await next.state();
    scene.refuse(/squall_|5351:|sq[0-9a-f]{8}:/.test(nft + qdiscs + links), `left in it: ${nft} ${qdiscs} ${links}`);
    return follow ? 'the pod is replaced under its name, and the fault follows' : 'the pod is replaced under its name';
  });
}

/** The target is deleted by force, and with it everything that was in its network. */
export function podIsGone(site: Site, station: Station, node: string, fault: CrashFault): Promise<SceneResult> {
  return withScene(new Scene(site, station, node, fault), 'accident', async (scene) => {
    await scene.begin('10s');
    await scene.isOn();
    await scene.space.close();
    await site.deletePod(scene.name);
    await scene.finished();
    await scene.monitor.stop();
    scene.isTrue();
    await scene.isForgotten();
    return 'the pod and its network are gone';
  });
}

/** A disk for undo records that can be filled. */
export class SmallDisk {
  readonly #file: string;

  constructor(private readonly folder: string) {
    mkdirSync(folder, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
    this.#file = join(folder, 'filler');
  }

  fill(): void {
    for (const size of [4_096, 512, 1]) {
      try {
        for (;;) writeFileSync(this.#file, Buffer.alloc(size), { flag: 'a' });
      } catch {
        // Full; smaller pieces may still fit.
      }
    }
  }

  empty(): void {
    rmSync(this.#file, { force: true });
  }

  remove(): void {
    execFileSync('umount', ['-l', this.folder]);
  }
}

/** The disk is full before anything is put on: nothing may be. */
export function diskIsFull(
  site: Site,
  station: Station,
  node: string,
  fault: CrashFault,
  disk: SmallDisk,
): Promise<SceneResult> {
  return withScene(new Scene(site, station, node, fault), 'accident', async (scene) => {
    disk.fill();
    scene.onEnd(() => disk.empty());
    await scene.begin('10s');
    await toTheEnd(scene, /^Inconclusive\/NotSupported/);
    scene.refuse(
      scene.monitor.looks.some(({ isHit }) => isHit),
      'it was hit without an undo record',
    );
    return 'the disk is full before';
  });
}

/** The disk fills up while a fault is on, and the agent dies as well. */
export function diskFillsUp(
  site: Site,
  station: Station,
  node: string,
  fault: CrashFault,
  disk: SmallDisk,
): Promise<SceneResult> {
  return withScene(new Scene(site, station, node, fault), 'accident', async (scene) => {
    await scene.begin('10s');
    await scene.isOn();
    disk.fill();
    scene.onEnd(() => disk.empty());
    await site.agents.get(node)?.kill();
    await site.startAgent(node);
    await toTheEnd(scene, /^Passed/);
    return 'the disk fills up while it is on';
  });
}

/** The API server is out of reach for a while: shorter than the dead-man switch waits, or longer. */
export function apiServerIsAway(
  site: Site,
  station: Station,
  node: string,
  faults: readonly CrashFault[],
  milliseconds: number,
): Promise<SceneResult[]> {
  const isLong = milliseconds > 30_000;
  const happen = async (scenes: readonly Scene[]) => {
    for (const { monitor } of scenes) monitor.isExcused = true;
    const back = site.local.cluster.knobs.outage(milliseconds);
    await sleep(milliseconds - 2_000);
    for (const scene of isLong ? scenes : []) await scene.isAsBefore();
    await back;
    for (const { monitor } of scenes) monitor.isExcused = false;
    // Both are so, and the one that is seen first when the API server is back gives its name.
    const verdict = isLong ? /^Error\/(ControllerLost|AgentMissing)/ : /^Passed/;
    await Promise.all(scenes.map((scene) => toTheEnd(scene, verdict)));
  };
  const what = `the API server is away for ${milliseconds / 1_000} s`;
  const duration = isLong ? '2m' : '20s';
  return together(site, station, node, faults, { victim: 'accident', what, duration, happen });
}

/** The wall clock of the controller is stepped while faults are on. */
export function controllerClockSteps(
  site: Site,
  station: Station,
  node: string,
  faults: readonly CrashFault[],
  hours: number,
): Promise<SceneResult[]> {
  const happen = async (scenes: readonly Scene[]) => {
    site.controller?.tell({ stepClock: hours * HOUR_MILLISECONDS });
    const begun = performance.now();
    await Promise.all(scenes.map((scene) => toTheEnd(scene, /^Passed/)));
    const took = performance.now() - begun;
    for (const scene of scenes) scene.refuse(took > CLOCK_MILLISECONDS, `the runs took ${Math.round(took)} ms`);
  };
  const what = `the controller's clock is stepped by ${hours} h`;
  return together(site, station, node, faults, { victim: 'accident', what, duration: '30s', happen });
}
