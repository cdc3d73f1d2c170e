import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { API_VERSION } from '../src/api/labels.js';
import type { Benchmark, Figure } from './figure.js';
import { writeSnapshot } from './large-snapshot.js';
import { peakOfNode, processorOfNode, squall, temporaryFolder } from './processes.js';
import { inTurn } from './rounds.js';

const ROUNDS = 3;
const size = { nodes: 1_000, deployments: 400, podsEach: 50 };
const PODS = size.deployments * size.podsEach;

const pods = { pods: { selector: { matchLabels: { app: 'app-0' } } }, percent: 50 };
const steps = {
  kill: { podKill: {}, targets: pods },
  drain: { nodeDrain: {}, targets: { nodes: { names: ['node-0'] } }, duration: '5m' },
  outage: { zoneOutage: {}, targets: { zones: { names: ['zone-0'] } }, duration: '5m' },
};

/** What a plan costs in a large cluster, from a snapshot, against parsing the snapshot. */
export const plan: Benchmark = { name: 'plan', run: measure };

async function measure(): Promise<Figure[]> {
  const folder = temporaryFolder();
  const snapshot = join(folder, 'cluster.yaml');
  await writeSnapshot(snapshot, size);
  const planOf = (name: keyof typeof steps): string[] => {
    const file = join(folder, `${name}.yaml`);
    const step = { name, ...steps[name] };
    const metadata = { name, namespace: 'space-0' };
    // Nothing but the steps is to be planned: no safeguard is to refuse them.
    const safeguards = { maxTargets: 10_000, maxPercentOfWorkload: 100, respectDisruptionBudgets: false };
    const spec = { safeguards, method: [step], timeout: '10m' };
    writeFileSync(file, stringify({ apiVersion: API_VERSION, kind: 'Experiment', metadata, spec }));
    return [squall, 'plan', file, '--snapshot', snapshot];
  };
  const parse = [fileURLToPath(new URL('./bench-parse.js', import.meta.url)), snapshot];
  const commands = { floor: parse, kill: planOf('kill'), drain: planOf('drain'), outage: planOf('outage') };
  const times = await inTurn(ROUNDS, commands, processorOfNode);
  const peaks = await inTurn(1, { floor: parse, outage: commands.outage }, peakOfNode);
  const megabytes = Math.round(statSync(snapshot).size / 1e6);
  const against = `parsing its ${megabytes} MB as YAML`;
  const figure = (what: string, ours: number[]): Figure => ({
    what: `\`squall plan\`, ${PODS} pods on ${size.nodes} nodes, ${what}: processor time`,
    against,
    unit: 'ms',
    ours,
    floor: times.floor,
  });
  return [
    figure('podKill of 25 pods', times.kill),
    figure('nodeDrain', times.drain),
    figure('zoneOutage of a third of them', times.outage),
    {
      what: '… peak RSS of the last',
      against,
      unit: 'MiB',
      ours: peaks.outage,
      floor: peaks.floor,
    },
  ];
}
