import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseAllDocuments, stringify } from 'yaml';
import { experimentRuns, injections, safetyPolicies } from '../../controller/resources.js';
import { runMain } from '../../testing/command-line.js';
import { anExperiment, killWeb, type Planning, startPlanning } from '../../testing/planning.js';
import { apply } from '../../testing/rights.js';
import type { Plan } from './plan.js';

let planning: Planning;

beforeAll(async () => {
  planning = await startPlanning();
}, 30_000);

afterAll(() => planning?.stop());

describe('a plan', () => {
  test('names the rights that are missing, and the Role it prints makes it run', async () => {
    const manifest = planning.write(
      anExperiment('rights', [killWeb()], {
        hypothesis: [
          {
            name: 'up',
            resource: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
            expect: { that: 'true' },
          },
        ],
      }),
    );
    const { file: taken } = await planning.snapshot();
    const before = await planning.planOf(manifest);
    expect(before.missingRights).toEqual([
      "delete pods in namespace shop (step 'kill')",
      "get deployments.apps 'web' in namespace shop (probe 'up')",
    ]);
    expect(before.refusals).toMatchObject([{ reason: 'NotAuthorized' }]);
    const offline = JSON.parse((await runMain('plan', manifest, '--snapshot', taken, '-o', 'json')).stdout) as Plan[];
    expect(offline[0]?.role).toBe(before.role);
    const documents = parseAllDocuments(before.role).map((document) => document.toJS());
    await apply(
      planning.cluster,
      documents.flatMap((document) => document.items ?? [document]),
    );
    const after = await planning.live(manifest);
    expect([after.code, after.stdout]).toEqual([0, expect.stringContaining('shop/rights: would run')]);
  });

  test('reads a folder, and its exit code is that of the worst', async () => {
    const inside = join(planning.folder, 'inside');
    mkdirSync(inside);
    renameSync(join(planning.folder, 'rights.yaml'), join(inside, 'rights.yaml'));
    renameSync(
      planning.write(anExperiment('lost', [killWeb({ targets: { pods: { names: ['none'] } } })])),
      join(inside, 'lost.yaml'),
    );
    const { code, stdout } = await planning.live(inside);
    expect(code).toBe(3);
    expect(stdout).toMatch(/^shop\/rights: would run/m);
    expect(stdout).toMatch(/^shop\/lost: would be refused/m);
    expect(stdout).toContain("NoTargets: Step 'kill' has nothing to hit");
  });

  test('draws the same every time, and with another seed others', async () => {
    const manifest = planning.write(anExperiment('seeded'));
    const names = async (...args: string[]) =>
      (await planning.planOf(manifest, ...args)).steps[0]?.targets.map(({ name }) => name);
    expect(await names()).toEqual(await names());
    const drawn = new Set(
      (await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((seed) => names('--seed', `${seed}`)))).flat(),
    );
    expect(drawn.size).toBeGreaterThan(1);
  });

  test('of a run draws with the seed that it has', async () => {
    const { spec } = anExperiment('seeded');
    const metadata = { generateName: 'seeded-', namespace: 'shop' };
    const run = {
      apiVersion: 'squall.dev/v1alpha1',
      kind: 'ExperimentRun',
      metadata,
      spec: { template: spec, seed: 3 },
    };
    const names = ({ seed, steps }: Plan) => [seed, steps[0]?.targets.map(({ name }) => name)];
    const given = await planning.planOf(planning.file('run.yaml', stringify(run)));
    expect(names(given)).toEqual(names(await planning.planOf(planning.write(anExperiment('seeded')), '--seed', '3')));
    expect(given.experiment).toBe('seeded-');
  });

  test('says which policy refuses, beside all else there is to say', async () => {
    await planning.cluster.client.create(safetyPolicies, {
      metadata: { name: 'prod' },
      spec: { safeguards: { minReady: 4 } },
    });
    try {
      const plan = await planning.planOf(planning.write(anExperiment('refused')));
      expect(plan.refusals).toMatchObject([
        { reason: 'BlockedBySafety', message: expect.stringContaining("SafetyPolicy 'prod'") },
      ]);
      expect(plan.steps[0]?.targets).toHaveLength(1);
      expect(plan.moments[0]?.workloads).toMatchObject([{ workload: 'Deployment/web', ready: 4, worst: 3 }]);
    } finally {
      await planning.cluster.client.delete(safetyPolicies, undefined, 'prod');
    }
  });

  test('knows what another run holds', async () => {
    const uid = 'ffffffff-0000-4000-8000-000000000000';
    const [pod] = planning.cluster.readyPods('web', 'shop');
    const { name = '', uid: podUid = '' } = pod?.metadata ?? {};
    const template = anExperiment('held').spec;
    await planning.cluster.client.create(experimentRuns, {
      metadata: { name: 'other', namespace: 'shop' },
      spec: { template },
    });
    const run = planning.cluster.run('other', 'shop')?.metadata.uid ?? uid;
    const target = { namespace: 'shop', name, uid: podUid, node: 'n1', workload: 'Deployment/web' };
    await planning.cluster.client.create(injections, {
      metadata: { name: 'other-kill', namespace: 'squall-system', labels: { 'squall.dev/run-uid': run } },
      spec: {
        run: { namespace: 'shop', name: 'other', uid: run },
        ...{ step: 'kill', round: 0, part: 0, parts: 1, state: 'Apply', targets: [target], podKill: {} },
      },
    });
    const plan = await planning.planOf(planning.write(anExperiment('beside')));
    expect(plan.refusals).toMatchObject([
      { reason: 'BlockedBySafety', message: expect.stringContaining('shop/other') },
    ]);
    await planning.cluster.client.delete(injections, 'squall-system', 'other-kill');
    await planning.cluster.client.delete(experimentRuns, 'shop', 'other');
    expect((await planning.planOf(planning.write(anExperiment('beside')))).refusals).toEqual([]);
  });

  test('leaves on a node what a policy protects', async () => {
    const drain = anExperiment('drained', [
      { name: 'out', nodeDrain: {}, targets: { nodes: { names: ['n1'] } }, duration: '1s' },
    ]);
    const moment = async () => (await planning.planOf(planning.write(drain))).moments[0];
    expect((await moment())?.workloads.map(({ workload }) => workload)).toContain('Deployment/web');
    const protectedLabels = [{ matchLabels: { app: 'web' } }];
    await planning.cluster.client.create(safetyPolicies, { metadata: { name: 'web' }, spec: { protectedLabels } });
    expect((await moment())?.workloads.map(({ workload }) => workload)).not.toContain('Deployment/web');
    await planning.cluster.client.delete(safetyPolicies, undefined, 'web');
  });

  test('as Markdown has a heading, tables, and the Role folded away; nothing in it becomes markup', async () => {
    const names = ['<img src=x>', '@team', '[a](b)|`c`', '```'];
    const bad = anExperiment('lost-names', [killWeb({ targets: { pods: { names: ['none'] } } })], {
      serviceAccountName: 'powerless',
    });
    bad.spec.method[0].targets.pods.names = names;
    const { stdout, code } = await planning.live(planning.write(bad), '-o', 'markdown');
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
    const plan = await planning.planOf(planning.write(anExperiment('data')));
    expect(rows.map(([field]) => field)).toEqual(Object.keys(plan));
    expect(named('steps')).toEqual(Object.keys(plan.steps[0] ?? {}));
    expect(named('moments')).toEqual(Object.keys(plan.moments[0] ?? {}));
  });

  test('touches nothing', async () => {
    const all = () => planning.cluster.cluster.store.list('pods').map(({ metadata }) => metadata.resourceVersion);
    const before = [all(), planning.cluster.cluster.store.list('experimentruns.squall.dev').length];
    await planning.live(planning.write(anExperiment('untouched')));
    await planning.snapshot();
    expect([all(), planning.cluster.cluster.store.list('experimentruns.squall.dev').length]).toEqual(before);
  });

  test.each<[string, string[], string]>([
    ['nothing to plan', [], 'missing required argument'],
    ['a file that is not there', ['./absent.yaml'], './absent.yaml:1:1: no such file or directory'],
    ['another namespace', ['-n', 'other', 'FILE'], "is in namespace 'shop', and --namespace says 'other'"],
    ['an unknown form', ['-o', 'xml', 'FILE'], 'Allowed choices are wide, json, markdown'],
    ['standard input twice', ['-', '--snapshot', '-'], '- can be the snapshot or the manifest, not both'],
  ])('for %s is a usage error', async (_words, args, message) => {
    const manifest = planning.write(anExperiment('fine'));
    const { code, stdout, stderr } = await planning.live(...args.map((arg) => (arg === 'FILE' ? manifest : arg)));
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(message)]);
  });
});
