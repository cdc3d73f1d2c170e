import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { parse, stringify } from 'yaml';
import type { Json } from '../../kubernetes/resource.js';
import { parseDuration } from '../../stats/duration.js';
import { rememberingIo, runMain } from '../../testing/command-line.js';
import {
  bundleController,
  type ControllerBundle,
  startTestCluster,
  type TestCluster,
} from '../../testing/controllers.js';
import { createAccount, grantEverywhere } from '../../testing/identities.js';
import { until } from '../../testing/scripted-server.js';
import { deploy } from '../deploy.js';
import type { Plan } from './plan.js';

jest.setTimeout(60_000);

const SEED = 7;
/** How long a new pod takes to become Ready: longer than faults take to hit all of their targets. */
const WARM_UP_MILLISECONDS = 700;
const GATE = 'example.com/warm';

let bundle: ControllerBundle;
let cluster: TestCluster;
let folder: string;
let kubeconfig: string;
const timers = new Set<NodeJS.Timeout>();

/** The shop, whose pods take a while until they are Ready, as real ones do. */
function slowShop(): string {
  const documents = readFileSync('experiments/shop/shop.yaml', 'utf8')
    .split(/^---$/m)
    .map((text) => parse(text));
  for (const { kind, spec } of documents)
    if (kind === 'Deployment') spec.template.spec.readinessGates = [{ conditionType: GATE }];
  const file = join(folder, 'shop.yaml');
  writeFileSync(file, documents.map((document) => stringify(document)).join('---\n'));
  return file;
}

/** Makes pods Ready some time after their containers are. */
function warmUp({ type, object }: { type: string; object: Json }): void {
  const { namespace, name, uid } = object.metadata;
  if (type !== 'MODIFIED' || !object.status?.podIP || !object.spec.readinessGates || known.has(uid)) return;
  known.add(uid);
  const timer = setTimeout(() => {
    timers.delete(timer);
    const { store } = cluster.cluster;
    if (store.get('pods', namespace, name)?.metadata.uid !== uid) return;
    store.update('pods', namespace, name, (draft: Json) => {
      const others = draft.status.conditions.filter((each: Json) => each.type !== 'Ready' && each.type !== GATE);
      const now = new Date().toISOString();
      const held = [GATE, 'Ready'].map((each) => ({ type: each, status: 'True', lastTransitionTime: now }));
      draft.status.conditions = [...others, ...held];
    });
  }, WARM_UP_MILLISECONDS);
  timers.add(timer);
}
const known = new Set<string>();

function readyOf(namespace: string, workload: string): number {
  return cluster.readyPods(workload.split('/')[1] ?? '', namespace).length;
}

function readyOn(node: string): number {
  const isReady = ({ type, status }: Json) => type === 'Ready' && status === 'True';
  return cluster.cluster.store
    .list('pods')
    .filter(({ spec, metadata }: Json) => spec.nodeName === node && !metadata.deletionTimestamp)
    .filter(({ status }: Json) => status?.conditions?.some(isReady)).length;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'squall-prediction-'));
  bundle = await bundleController();
  cluster = await startTestCluster(bundle.workerUrl, { nodes: 3, rights: 'None' });
  kubeconfig = join(folder, 'kubeconfig');
  writeFileSync(kubeconfig, cluster.cluster.kubeconfig);
  cluster.cluster.store.subscribe('pods', warmUp as never);
  await cluster.createNamespace('shop');
  createAccount(cluster.cluster.store, 'shop', 'nobody');
  createAccount(cluster.cluster.store, 'shop', 'mighty');
  grantEverywhere(cluster.cluster.store, 'shop/mighty', [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }]);
  const controller = cluster.controller();
  await until(() => controller.isLeading(), 'the controller to lead');
  await deploy(cluster.connection, [slowShop()], { io: rememberingIo().io, signal: new AbortController().signal });
}, 60_000);

afterAll(async () => {
  for (const timer of timers) clearTimeout(timer);
  await cluster?.stop();
  bundle?.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** What was seen while a run went on. */
interface Seen {
  run: Json;
  /** UIDs of the targets that were drawn first, by step. */
  drawn: Record<string, string[]>;
  /** By workload and node, the fewest pods that were Ready at the same time. */
  worst: Record<string, number>;
  deleted: string[];
}

/** Runs the method alone: what probes see of pods without processes is nothing to compare with. */
async function runIt(experiment: Json, { moments }: Plan): Promise<Seen> {
  const workloads = moments.flatMap((moment) => moment.workloads.map(({ workload }) => workload));
  const nodes = moments.flatMap((moment) => moment.nodes.map(({ name: node }) => node));
  const { namespace, name } = experiment.metadata;
  const { hypothesis: _hypothesis, safeguards = {}, ...template } = experiment.spec;
  const { abortOn: _abortOn, ...bounds } = safeguards;
  const seen: Seen = { run: undefined, drawn: {}, worst: {}, deleted: [] };
  const note = (what: string, ready: number) => {
    seen.worst[what] = Math.min(seen.worst[what] ?? Number.POSITIVE_INFINITY, ready);
  };
  const look = () => {
    for (const workload of workloads) note(workload, readyOf(namespace, workload));
    for (const node of nodes) note(node, readyOn(node));
  };
  const { store } = cluster.cluster;
  const before = cluster.deleted.length;
  const stops = [
    store.subscribe('pods', look),
    store.subscribe('injections.squall.dev', ({ type, object: { spec } }: { type: string; object: Json }) => {
      if (type !== 'ADDED' || spec.round !== 0 || spec.run.name !== name) return;
      const targets = spec.targets.map(({ uid }: Json) => uid);
      seen.drawn[spec.step] = [...(seen.drawn[spec.step] ?? []), ...targets];
    }),
  ];
  try {
    look();
    await cluster.createRun(name, { ...template, safeguards: bounds }, { namespace, seed: SEED });
    seen.run = await cluster.finished(name, { namespace, within: 40_000 });
    seen.deleted = cluster.deleted.slice(before).map(({ uid }) => uid);
    return seen;
  } finally {
    for (const stop of stops) stop();
  }
}

async function planIt(file: string): Promise<{ plan: Plan; code: number }> {
  const written = await runMain('plan', file, '--seed', String(SEED), '-o', 'json', '--kubeconfig', kubeconfig);
  expect(written.stderr).not.toMatch(/not valid|is required/);
  const [plan] = JSON.parse(written.stdout) as Plan[];
  if (!plan) throw new Error(`no plan: ${written.stderr}`);
  return { plan, code: written.code };
}

/** All of the shop as it is meant to be, so that one experiment does not feel the one before. */
async function atRest(): Promise<void> {
  const calm = () =>
    cluster.cluster.store.list('deployments', 'shop').every(({ metadata, spec, status }: Json) => {
      const isKnown = status?.observedGeneration === metadata.generation;
      const told = [status?.updatedReplicas, status?.readyReplicas, status?.availableReplicas];
      if (spec.replicas > 0 && told.some((count) => count !== spec.replicas)) return false;
      const counts = [cluster.pods(metadata.name, 'shop'), cluster.readyPods(metadata.name, 'shop')];
      return isKnown && counts.every(({ length }) => length === spec.replicas);
    });
  await until(calm, 'the shop to be at rest', 20_000);
}

const step = (name: string, fault: Json, targets: Json, more: Json = {}) => ({ name, ...fault, targets, ...more });
const experiment = (name: string, method: Json[], more: Json = {}) => ({
  apiVersion: 'squall.dev/v1alpha1',
  kind: 'Experiment',
  metadata: { name, namespace: 'shop' },
  spec: { serviceAccountName: 'mighty', method, ...more },
});
const checkouts = { pods: { workload: { kind: 'Deployment', name: 'checkout' }, minAge: '0s' } };
const deployment = (name: string) => ({ workloads: { kind: 'Deployment', names: [name] } });

/** Beside those of the folder: faults and refusals that these do not have. */
const others: Json[] = [
  experiment('scaled-to-half', [
    step('halve', { scale: { percent: 50 } }, deployment('checkout'), { duration: '500ms' }),
  ]),
  experiment('two-at-once', [
    step('checkout', { podKill: { gracePeriod: '0s' } }, checkouts),
    step('frontend', { scale: { replicas: 0 } }, deployment('frontend'), { duration: '500ms', parallel: true }),
  ]),
  experiment('rolled', [step('roll', { rolloutRestart: {} }, deployment('checkout'))]),
  experiment('node-lost', [step('drain', { nodeDrain: {} }, { nodes: { names: ['n1'] } }, { duration: '500ms' })]),
  experiment('node-tainted', [
    step(
      'taint',
      { nodeTaint: { taints: [{ key: 'example.com/x', effect: 'NoExecute' }] } },
      { nodes: { names: ['n2'] } },
      { duration: '500ms' },
    ),
  ]),
  experiment('zone-lost', [step('out', { zoneOutage: {} }, { zones: { names: ['z3'] } }, { duration: '500ms' })]),
  experiment('too-many', [step('kill', { podKill: {} }, { ...checkouts, count: 3 })], {
    safeguards: { maxTargets: 2 },
  }),
  experiment('below-budget', [step('kill', { podKill: {} }, { ...checkouts, count: 3 })], {
    safeguards: { respectDisruptionBudgets: true },
  }),
  experiment('not-allowed', [step('kill', { podKill: {} }, checkouts)], { serviceAccountName: 'nobody' }),
];

/** The same four times as fast: what is compared does not depend on how long things take. */
function hurried(given: Json): Json {
  const faster = (key: string, value: unknown) =>
    key === 'duration' || key === 'repeatEvery' ? `${parseDuration(String(value)) / 4}ms` : value;
  return JSON.parse(JSON.stringify(given, faster));
}

const files = readdirSync('experiments').filter((name) => name.endsWith('.yaml'));
const cases: [string, Json][] = [
  ...files.map((file): [string, Json] => [file, hurried(parse(readFileSync(join('experiments', file), 'utf8')))]),
  ...others.map((each): [string, Json] => [each.metadata.name, each]),
];

describe('what a plan foretells', () => {
  test.each(cases)('of %s is what then happens', async (_name, given) => {
    await atRest();
    const file = join(folder, `${given.metadata.name}.yaml`);
    writeFileSync(file, stringify(given));
    const { plan, code } = await planIt(file);
    const workloads = plan.moments.flatMap((moment) => moment.workloads);
    const seen = await runIt(given, plan);
    const selected = seen.run.status.conditions.find(({ type }: Json) => type === 'TargetsSelected');

    expect([plan.outcome, code]).toEqual(selected?.status === 'True' ? ['Run', 0] : ['Refused', 3]);
    if (plan.outcome === 'Refused') {
      expect(plan.refusals.map(({ reason }) => reason)).toContain(seen.run.status.reason);
      return;
    }
    // What goes along with another step may have nobody to do it.
    const told = plan.steps.filter(({ name, targets }) => targets.length > 0 || !name.includes('.'));
    const foretold = told.map(({ name, targets }) => [name, targets.map(({ uid }) => uid).sort()]);
    expect(foretold).toEqual(Object.entries(seen.drawn).map(([name, uids]) => [name, uids.sort()]));
    expectSteps(plan, seen);
    const instant = given.spec.method.every(({ podKill }: Json) => podKill?.gracePeriod === '0s');
    for (const { name, worst } of plan.moments.flatMap(({ nodes }) => nodes))
      expect(seen.worst[name]).toBeGreaterThanOrEqual(worst);
    for (const { workload, worst } of workloads) {
      if (instant) expect([workload, seen.worst[workload]]).toEqual([workload, worst]);
      else expect(seen.worst[workload]).toBeGreaterThanOrEqual(worst);
    }
  });
});

/** The scheduler's words for a reason, as it writes them into a pod's condition. */
const schedulerWords: [RegExp, string][] = [
  [/node\(s\) were unschedulable/, 'unschedulable'],
  [/Insufficient cpu/, 'insufficient cpu'],
  [/node\(s\) didn't match pod anti-affinity rules/, 'pod anti-affinity'],
  [/node\(s\) didn't match pod topology spread constraints/, 'topology spread'],
  [/node\(s\) didn't match Pod's node affinity\/selector/, 'node affinity'],
];

function inPlanWords(message: string): string[] {
  const [, reasons = ''] = /: (.*)\.$/.exec(message) ?? [];
  return reasons
    .split(', ')
    .map((reason) => schedulerWords.reduce((text, [words, ours]) => text.replace(words, ours), reason));
}

describe('where new pods fit', () => {
  const labelSelector = (app: string) => ({ matchLabels: { app } });
  const zone = 'topology.kubernetes.io/zone';
  const pods: Record<string, (cpu: number) => Json> = {
    heavy: (cpu) => ({
      containers: [{ name: 'main', image: 'a', resources: { requests: { cpu: String(0.6 * cpu) } } }],
    }),
    apart: () => {
      const term = { topologyKey: 'kubernetes.io/hostname', labelSelector: labelSelector('apart') };
      return { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } };
    },
    even: () => ({
      topologySpreadConstraints: [
        { topologyKey: zone, maxSkew: 1, whenUnsatisfiable: 'DoNotSchedule', labelSelector: labelSelector('even') },
      ],
    }),
    anywhere: () => ({}),
  };

  test('is where the scheduler puts them, and why not is what it says', async () => {
    const cpu = Number(cluster.cluster.store.list('nodes')[0]?.status.allocatable.cpu);
    for (const [name, pod] of Object.entries(pods)) await cluster.deploy(name, 3, { namespace: 'shop', pod: pod(cpu) });
    const given = experiment('crowded', [
      step('drain', { nodeDrain: {} }, { nodes: { names: ['n1'] } }, { duration: '500ms' }),
    ]);
    const file = join(folder, 'crowded.yaml');
    writeFileSync(file, stringify(given));
    const { plan } = await planIt(file);
    const told = new Map<string, string>();
    const stop = cluster.cluster.store.subscribe('pods', ({ object }: { object: Json }) => {
      const { message } = object.status?.conditions?.find(({ reason }: Json) => reason === 'Unschedulable') ?? {};
      const { app } = object.metadata.labels ?? {};
      if (message && !told.has(app)) told.set(app, message);
    });
    await runIt(given, plan);
    stop();
    const placements = plan.moments[0]?.placements ?? [];
    for (const name of Object.keys(pods)) {
      const found = placements.find(({ workload }) => workload === `Deployment/${name}`);
      if (!found) throw new Error(`no pod of ${name} was on the node`);
      const reasons = found.reason?.replace('0/3 nodes: ', '').split(', ').sort();
      expect([name, reasons]).toEqual([name, told.has(name) ? inPlanWords(told.get(name) ?? '').sort() : undefined]);
    }
    expect([...told.keys()].sort()).toEqual(['apart', 'even', 'heavy']);
  });
});

/** Every pod that was to be deleted is gone. */
function expectSteps({ steps }: Plan, { deleted }: Seen): void {
  const uids = steps.flatMap(({ targets }) =>
    targets.flatMap((target) => target.steps.flatMap((each) => (each.do === 'deletePod' ? [each.uid] : []))),
  );
  expect(deleted).toEqual(expect.arrayContaining(uids));
}
