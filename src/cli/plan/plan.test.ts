import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseAllDocuments, stringify } from 'yaml';
import type { Targets } from '../../api/targets.js';
import { watchOf } from '../../controller/candidate-watch.js';
import { experimentRuns, injections, safetyPolicies } from '../../controller/resources.js';
import { daemonSets, type Json, nodes, pods, type Resource } from '../../kubernetes/resource.js';
import { runMain, type Written } from '../../testing/command-line.js';
import { startTestCluster, type TestCluster } from '../../testing/controllers.js';
import { createAccount, grantTo, tokenOf } from '../../testing/identities.js';
import { apply } from '../../testing/rights.js';
import { until } from '../../testing/scripted-server.js';
import { PlanCandidates } from './candidates.js';
import type { Plan } from './plan.js';
import { readContents } from './read.js';

let cluster: TestCluster;
let folder: string;
let kubeconfig: string;

const secrets: Resource = { group: '', version: 'v1', plural: 'secrets', namespaced: true };
const configMaps: Resource = { group: '', version: 'v1', plural: 'configmaps', namespaced: true };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'squall-plan-'));
  cluster = await startTestCluster(new URL('file:///no-probes'), { nodes: 3, rights: 'None' });
  kubeconfig = file('kubeconfig', cluster.cluster.kubeconfig);
  await cluster.createNamespace('shop');
  await cluster.createNamespace('mail');
  createAccount(cluster.cluster.store, 'shop', 'chaos');
  await cluster.deploy('web', 4, {
    namespace: 'shop',
    labels: { tier: 'front' },
    pod: {
      containers: [
        {
          name: 'main',
          image: 'registry.example.com/web',
          command: ['serve', '--password=in-a-command'],
          env: [{ name: 'TOKEN', value: 'in-the-environment' }],
        },
      ],
    },
  });
}, 30_000);

afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const kill = (more: Json = {}) => ({
  name: 'kill',
  podKill: { gracePeriod: '0s' },
  targets: { pods: { selector: { matchLabels: { app: 'web' } }, minAge: '0s' } },
  ...more,
});
const experiment = (name: string, method: Json[] = [kill()], more: Json = {}) => ({
  apiVersion: 'squall.dev/v1alpha1',
  kind: 'Experiment',
  metadata: { name, namespace: 'shop' },
  spec: { serviceAccountName: 'chaos', method, ...more },
});

function write(...objects: Json[]): string {
  return file(`${objects[0].metadata.name}.yaml`, objects.map((object) => stringify(object)).join('---\n'));
}

const live = (...args: string[]) => runMain('plan', ...args, '--kubeconfig', kubeconfig);

async function snapshot(...args: string[]): Promise<Written & { file: string }> {
  const written = await runMain('snapshot', ...args, '--kubeconfig', kubeconfig);
  return { ...written, file: file('cluster.yaml', written.stdout) };
}

async function planOf(...args: string[]): Promise<Plan> {
  const [plan] = JSON.parse((await live(...args, '-o', 'json')).stdout) as Plan[];
  return plan as Plan;
}

describe('a snapshot', () => {
  test('gives the same plans as the live cluster does', async () => {
    const manifest = write(
      experiment('same'),
      experiment('again', [kill({ targets: { zones: {} }, podKill: undefined, zoneOutage: {}, duration: '1m' })]),
    );
    const taken = await snapshot();
    const known = async (written: Promise<Written>) => {
      const { code, stdout } = await written;
      return [code, JSON.parse(stdout).map(({ drawnAt: _drawnAt, ...plan }: Plan) => plan)];
    };
    expect(await known(runMain('plan', manifest, '--snapshot', taken.file, '-o', 'json'))).toEqual(
      await known(live(manifest, '-o', 'json')),
    );
  });

  test('is the same for the same cluster, but for the time', async () => {
    const [first, second] = [await snapshot(), await snapshot()];
    const timeless = ({ stdout }: Written) => stdout.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z by|takenAt: .*/g, '');
    expect(timeless(first)).toBe(timeless(second));
  });

  test('holds nothing that is nobody else’s business', async () => {
    const metadata = { name: 'hidden', namespace: 'shop', annotations: { note: 'in-an-annotation' } };
    await cluster.client.create(configMaps, { metadata, data: { key: 'in-a-config-map' } } as never);
    await cluster.client.create(secrets, { metadata, stringData: { key: 'in-a-secret' } } as never);
    const { stdout } = await snapshot();
    expect(stdout).toContain('web-');
    for (const word of ['in-a', 'in-the', 'registry.example.com', 'managedFields', 'resourceVersion', 'ConfigMap\n'])
      expect(stdout).not.toContain(`${word}`);
    const kinds = new Set([...stdout.matchAll(/^kind: (.*)$/gm)].map(([, kind]) => kind));
    expect(kinds.has('Secret')).toBe(false);
  });

  test('of one namespace holds no workloads of others, and says so to who asks about these', async () => {
    await cluster.deploy('post', 1, { namespace: 'mail' });
    const { stdout, file: taken } = await snapshot('-n', 'shop');
    expect(stdout).toContain('# Snapshot of');
    expect(stdout).toMatch(/kind: Deployment\nmetadata:\n {2}name: web/);
    expect(stdout).not.toMatch(/kind: Deployment\nmetadata:\n {2}name: post/);
    // It takes room on nodes, wherever it is from.
    expect(stdout).toMatch(/kind: Pod\nmetadata:\n {2}name: post/);
    const other = experiment('other');
    other.metadata.namespace = 'mail';
    const { code, stderr } = await runMain('plan', write(other), '--snapshot', taken);
    expect([code, stderr]).toEqual([2, expect.stringContaining('holds namespace shop only, and other is of mail')]);
  });

  test('says what its taker may not read, and so does a plan from it', async () => {
    const { store } = cluster.cluster;
    createAccount(store, 'shop', 'reader');
    grantTo(store, 'shop/reader', 'shop', [{ apiGroups: ['', 'apps'], resources: ['*'], verbs: ['list'] }]);
    const token = await tokenOf(cluster.cluster.url, 'shop', 'reader');
    const own = file(
      'reader',
      stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'a',
        clusters: [{ name: 'a', cluster: { server: cluster.cluster.url } }],
        users: [{ name: 'a', user: { token } }],
        contexts: [{ name: 'a', context: { cluster: 'a', user: 'a', namespace: 'shop' } }],
      }),
    );
    const taken = await runMain('snapshot', '-n', 'shop', '--kubeconfig', own);
    expect(taken.code).toBe(0);
    expect(taken.stdout).toMatch(/^# - nodes \(where pods fit\): nodes is forbidden/m);
    expect(taken.stdout).toMatch(/^# - poddisruptionbudgets \(how many pods may be disrupted\): /m);
    expect(taken.stderr).toContain('left out: nodes');
    const written = await runMain(
      'plan',
      write(experiment('partly')),
      '--snapshot',
      file('partly-seen', taken.stdout),
      '-o',
      'json',
    );
    const [plan] = JSON.parse(written.stdout) as Plan[];
    expect(plan?.steps[0]?.targets).toHaveLength(1);
    expect(plan?.unknown.join('\n')).toMatch(/whether its rights suffice: roles could not be read/);
    expect(plan?.unknown.join('\n')).toMatch(/where pods would fit: nodes could not be read/);
    const slow = { name: 'slow', network: { delay: { latency: '1s' } }, targets: kill().targets, duration: '5s' };
    const other = await runMain('plan', write(experiment('guessed', [slow])), '--kubeconfig', own, '-o', 'json');
    const [guessed] = JSON.parse(other.stdout) as Plan[];
    expect([guessed?.refusals, guessed?.steps[0]?.targets.length]).toEqual([[], 1]);
    expect(guessed?.unknown.join('\n')).toMatch(/which nodes have an agent: leases could not be read/);
    const same = await runMain('plan', join(folder, 'partly.yaml'), '--kubeconfig', own, '-o', 'json');
    expect((JSON.parse(same.stdout) as Plan[])[0]?.unknown).toEqual(plan?.unknown);
  });

  const head =
    'apiVersion: squall.dev/v1alpha1\nkind: ClusterSnapshot\ntakenAt: 2026-01-01T00:00:00Z\nserverVersion: v1\nsystemNamespace: s\nleftOut: []\n';
  const end = (objects: number) =>
    `---\napiVersion: squall.dev/v1alpha1\nkind: ClusterSnapshotEnd\nobjects: ${objects}\n`;
  const node = '---\napiVersion: v1\nkind: Node\nmetadata:\n  name: n1\n';
  test.each<[string, string, string]>([
    ['nothing', '', ':1: empty: expected what `squall snapshot` writes'],
    [
      'a manifest',
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n',
      ':1: not a snapshot: expected squall.dev/v1alpha1 ClusterSnapshot first, is apps/v1 Deployment',
    ],
    ['what is no object', '- a\n- b\n', ':1: not an object'],
    ['a cut', `${head}${node}`, ':8: truncated: the end of the snapshot is missing after 1 objects'],
    ['a cut within an object', `${head}---\napiVersion: v1\nkind: Node\nmetadata: {name: "n`, ':10: not valid YAML'],
    ['something removed', `${head}${end(1)}`, ':8: the snapshot should hold 1 objects and holds 0'],
    ['something behind the end', `${head}${end(0)}${node}`, ':12: something stands behind the end'],
    [
      'a Secret',
      `${head}---\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\n${end(1)}`,
      ':8: v1 Secret is nothing that a plan is made from',
    ],
    [
      'an object without a name',
      `${head}---\napiVersion: v1\nkind: Node\n${end(1)}`,
      ':8: v1 Node has no metadata.name',
    ],
    [
      'a pod of another shape',
      `${head}---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: 5}\n${end(1)}`,
      ':8: v1 Pod a has not the shape of one',
    ],
    ['a time that is none', head.replace('2026-01-01T00:00:00Z', 'today'), ':1: takenAt: must be a time, is "today"'],
    [
      'a kind that is unknown',
      head.replace('leftOut: []', 'leftOut: [{kind: toString, why: x}]'),
      ':1: leftOut: "toString" is nothing of a snapshot',
    ],
  ])('with %s is refused by file and line', async (name, text, message) => {
    const path = file(`bad ${name}.yaml`, text);
    const { code, stdout, stderr } = await runMain('plan', write(experiment('any')), '--snapshot', path);
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(`${path}${message}`)]);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test('that is not there is a usage error', async () => {
    const { code, stderr } = await runMain('plan', write(experiment('any')), '--snapshot', '/no/such/file');
    expect([code, stderr]).toEqual([2, '/no/such/file: no such file or directory\n']);
  });
});

describe('a plan', () => {
  test('names the rights that are missing, and the Role it prints makes it run', async () => {
    const manifest = write(
      experiment('rights', [kill()], {
        hypothesis: [
          {
            name: 'up',
            resource: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
            expect: { that: 'true' },
          },
        ],
      }),
    );
    const { file: taken } = await snapshot();
    const before = await planOf(manifest);
    expect(before.missingRights).toEqual([
      "delete pods in namespace shop (step 'kill')",
      "get deployments.apps 'web' in namespace shop (probe 'up')",
    ]);
    expect(before.refusals).toMatchObject([{ reason: 'NotAuthorized' }]);
    const offline = JSON.parse((await runMain('plan', manifest, '--snapshot', taken, '-o', 'json')).stdout) as Plan[];
    expect(offline[0]?.role).toBe(before.role);
    const documents = parseAllDocuments(before.role).map((document) => document.toJS());
    await apply(
      cluster,
      documents.flatMap((document) => document.items ?? [document]),
    );
    const after = await live(manifest);
    expect([after.code, after.stdout]).toEqual([0, expect.stringContaining('shop/rights: would run')]);
  });

  test('reads a folder, and its exit code is that of the worst', async () => {
    const inside = join(folder, 'inside');
    mkdirSync(inside);
    renameSync(join(folder, 'rights.yaml'), join(inside, 'rights.yaml'));
    renameSync(
      write(experiment('lost', [kill({ targets: { pods: { names: ['none'] } } })])),
      join(inside, 'lost.yaml'),
    );
    const { code, stdout } = await live(inside);
    expect(code).toBe(3);
    expect(stdout).toMatch(/^shop\/rights: would run/m);
    expect(stdout).toMatch(/^shop\/lost: would be refused/m);
    expect(stdout).toContain("NoTargets: Step 'kill' has nothing to hit");
  });

  test('draws the same every time, and with another seed others', async () => {
    const manifest = write(experiment('seeded'));
    const names = async (...args: string[]) =>
      (await planOf(manifest, ...args)).steps[0]?.targets.map(({ name }) => name);
    expect(await names()).toEqual(await names());
    const drawn = new Set(
      (await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((seed) => names('--seed', `${seed}`)))).flat(),
    );
    expect(drawn.size).toBeGreaterThan(1);
  });

  test('of a run draws with the seed that it has', async () => {
    const { spec } = experiment('seeded');
    const metadata = { generateName: 'seeded-', namespace: 'shop' };
    const run = {
      apiVersion: 'squall.dev/v1alpha1',
      kind: 'ExperimentRun',
      metadata,
      spec: { template: spec, seed: 3 },
    };
    const names = ({ seed, steps }: Plan) => [seed, steps[0]?.targets.map(({ name }) => name)];
    const given = await planOf(file('run.yaml', stringify(run)));
    expect(names(given)).toEqual(names(await planOf(write(experiment('seeded')), '--seed', '3')));
    expect(given.experiment).toBe('seeded-');
  });

  test('says which policy refuses, beside all else there is to say', async () => {
    await cluster.client.create(safetyPolicies, { metadata: { name: 'prod' }, spec: { safeguards: { minReady: 4 } } });
    try {
      const plan = await planOf(write(experiment('refused')));
      expect(plan.refusals).toMatchObject([
        { reason: 'BlockedBySafety', message: expect.stringContaining("SafetyPolicy 'prod'") },
      ]);
      expect(plan.steps[0]?.targets).toHaveLength(1);
      expect(plan.moments[0]?.workloads).toMatchObject([{ workload: 'Deployment/web', ready: 4, worst: 3 }]);
    } finally {
      await cluster.client.delete(safetyPolicies, undefined, 'prod');
    }
  });

  test('knows what another run holds', async () => {
    const uid = 'ffffffff-0000-4000-8000-000000000000';
    const [pod] = cluster.readyPods('web', 'shop');
    const { name = '', uid: podUid = '' } = pod?.metadata ?? {};
    const template = experiment('held').spec;
    await cluster.client.create(experimentRuns, { metadata: { name: 'other', namespace: 'shop' }, spec: { template } });
    const run = cluster.run('other', 'shop')?.metadata.uid ?? uid;
    const target = { namespace: 'shop', name, uid: podUid, node: 'n1', workload: 'Deployment/web' };
    await cluster.client.create(injections, {
      metadata: { name: 'other-kill', namespace: 'squall-system', labels: { 'squall.dev/run-uid': run } },
      spec: {
        run: { namespace: 'shop', name: 'other', uid: run },
        ...{ step: 'kill', round: 0, part: 0, parts: 1, state: 'Apply', targets: [target], podKill: {} },
      },
    });
    const plan = await planOf(write(experiment('beside')));
    expect(plan.refusals).toMatchObject([
      { reason: 'BlockedBySafety', message: expect.stringContaining('shop/other') },
    ]);
    await cluster.client.delete(injections, 'squall-system', 'other-kill');
    await cluster.client.delete(experimentRuns, 'shop', 'other');
    expect((await planOf(write(experiment('beside')))).refusals).toEqual([]);
  });

  test('leaves on a node what a policy protects', async () => {
    const drain = experiment('drained', [
      { name: 'out', nodeDrain: {}, targets: { nodes: { names: ['n1'] } }, duration: '1s' },
    ]);
    const moment = async () => (await planOf(write(drain))).moments[0];
    expect((await moment())?.workloads.map(({ workload }) => workload)).toContain('Deployment/web');
    const protectedLabels = [{ matchLabels: { app: 'web' } }];
    await cluster.client.create(safetyPolicies, { metadata: { name: 'web' }, spec: { protectedLabels } });
    expect((await moment())?.workloads.map(({ workload }) => workload)).not.toContain('Deployment/web');
    await cluster.client.delete(safetyPolicies, undefined, 'web');
  });

  test('as Markdown has a heading, tables, and the Role folded away; nothing in it becomes markup', async () => {
    const names = ['<img src=x>', '@team', '[a](b)|`c`', '```'];
    const bad = experiment('lost-names', [kill({ targets: { pods: { names: ['none'] } } })], {
      serviceAccountName: 'powerless',
    });
    bad.spec.method[0].targets.pods.names = names;
    const { stdout, code } = await live(write(bad), '-o', 'markdown');
    expect(code).toBe(3);
    expect(stdout).toMatch(/^### shop\/lost-names: would be refused$/m);
    expect(stdout).toMatch(/<details><summary>.*<\/summary>\n\n.*````yaml\napiVersion: .*kind: ServiceAccount/s);
    const [outside = '', , behind = ''] = stdout.split('````');
    for (const name of names) expect(outside + behind).not.toContain(name);
  });

  test('as data has the fields that the manual says, and no others', async () => {
    const manual = readFileSync('docs/plan.md', 'utf8')
      .split(/^## /m)
      .find((part) => part.startsWith('As data'));
    const rows = [...(manual ?? '').matchAll(/^\| `(\w+)` +\| (.*) \|$/gm)].map(([, field = '', what = '']) => [
      field,
      what,
    ]);
    const named = (field: string) =>
      [...(rows.find(([name]) => name === field)?.[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name);
    const plan = await planOf(write(experiment('data')));
    expect(rows.map(([field]) => field)).toEqual(Object.keys(plan));
    expect(named('steps')).toEqual(Object.keys(plan.steps[0] ?? {}));
    expect(named('moments')).toEqual(Object.keys(plan.moments[0] ?? {}));
  });

  test('touches nothing', async () => {
    const all = () => cluster.cluster.store.list('pods').map(({ metadata }) => metadata.resourceVersion);
    const before = [all(), cluster.cluster.store.list('experimentruns.squall.dev').length];
    await live(write(experiment('untouched')));
    await snapshot();
    expect([all(), cluster.cluster.store.list('experimentruns.squall.dev').length]).toEqual(before);
  });

  test.each<[string, string[], string]>([
    ['nothing to plan', [], 'missing required argument'],
    ['a file that is not there', ['./absent.yaml'], './absent.yaml:1:1: no such file or directory'],
    ['another namespace', ['-n', 'other', 'FILE'], "is in namespace 'shop', and --namespace says 'other'"],
    ['an unknown form', ['-o', 'xml', 'FILE'], 'Allowed choices are wide, json, markdown'],
    ['standard input twice', ['-', '--snapshot', '-'], '- can be the snapshot or the manifest, not both'],
  ])('for %s is a usage error', async (_words, args, message) => {
    const manifest = write(experiment('fine'));
    const { code, stdout, stderr } = await live(...args.map((arg) => (arg === 'FILE' ? manifest : arg)));
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(message)]);
  });
});

describe('the candidates of a plan', () => {
  const cases: [string, Targets][] = [
    ['pods by label', { pods: { selector: { matchLabels: { tier: 'front' } }, minAge: '0s', unmanaged: false } }],
    ['pods by name', { pods: { names: ['bare'], minAge: '0s', unmanaged: false } }],
    [
      'pods of a Deployment',
      { pods: { workload: { kind: 'Deployment', name: 'web' }, minAge: '0s', unmanaged: false } },
    ],
    [
      'pods of a DaemonSet',
      { pods: { workload: { kind: 'DaemonSet', name: 'each' }, minAge: '0s', unmanaged: false } },
    ],
    [
      'pods of zones',
      { pods: { selector: { matchLabels: { app: 'web' } }, zones: ['z1', 'z2'], minAge: '0s', unmanaged: false } },
    ],
    ['nodes by label', { nodes: { selector: { matchLabels: { 'kubernetes.io/os': 'linux' } } } }],
    ['nodes by name', { nodes: { names: ['n2', 'n9'] } }],
    ['zones', { zones: {} }],
    ['zones by name', { zones: { names: ['z3'] } }],
    ['workloads by name', { workloads: { kind: 'Deployment', names: ['web'] } }],
    [
      'workloads by label',
      { workloads: { kind: 'DaemonSet', selector: { matchExpressions: [{ key: 'x', operator: 'DoesNotExist' }] } } },
    ],
  ];

  beforeAll(async () => {
    await cluster.client.create(daemonSets, {
      metadata: { name: 'each', namespace: 'shop' },
      spec: {
        selector: { matchLabels: { app: 'each' } },
        template: { metadata: { labels: { app: 'each' } }, spec: { containers: [{ name: 'a', image: 'b' }] } },
      },
    });
    await cluster.client.create(pods, {
      metadata: { name: 'bare', namespace: 'shop', labels: { tier: 'front' } },
      spec: { containers: [{ name: 'a', image: 'b' }] },
    });
    await until(() => cluster.readyPods('each', 'shop').length === 3, 'the pods of the DaemonSet');
    await cluster.client.patch(nodes, undefined, 'n3', { spec: { unschedulable: true } });
  });

  test.each(cases)('are those that a controller watches: %s', async (_name, targets) => {
    const { client, systemNamespace } = cluster.connection;
    const contents = await readContents({ client, systemNamespace, namespaces: ['shop'] }, () => {});
    const watch = watchOf(targets, { client, namespace: 'shop', onChange: () => {}, onError: () => {} });
    await watch.start();
    const candidates = new PlanCandidates(contents);
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
    expect(candidates.of(targets, 'shop').sort(byName)).toEqual(watch.list()?.sort(byName));
    expect(candidates.spareNodes(targets)).toEqual([...(watch.spares?.() ?? [])]);
    await watch.stop();
  });
});
