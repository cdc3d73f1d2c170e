import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import type { Resource } from '../kubernetes/resource.js';
import { runMain, type Written } from '../testing/command-line.js';
import { createAccount, grantTo, tokenOf } from '../testing/identities.js';
import { anExperiment, killWeb, type Planning, startPlanning } from '../testing/planning.js';
import type { Plan } from './plan/plan.js';

const secrets: Resource = { group: '', version: 'v1', plural: 'secrets', namespaced: true };
const configMaps: Resource = { group: '', version: 'v1', plural: 'configmaps', namespaced: true };

let planning: Planning;

beforeAll(async () => {
  planning = await startPlanning();
}, 30_000);

afterAll(() => planning?.stop());

describe('a snapshot', () => {
  test('gives the same plans as the live cluster does', async () => {
    const manifest = planning.write(
      anExperiment('same'),
      anExperiment('again', [killWeb({ targets: { zones: {} }, podKill: undefined, zoneOutage: {}, duration: '1m' })]),
    );
    const taken = await planning.snapshot();
    const known = async (written: Promise<Written>) => {
      const { code, stdout } = await written;
      return [code, JSON.parse(stdout).map(({ drawnAt: _drawnAt, ...plan }: Plan) => plan)];
    };
    expect(await known(runMain('plan', manifest, '--snapshot', taken.file, '-o', 'json'))).toEqual(
      await known(planning.live(manifest, '-o', 'json')),
    );
  });

  test('is the same for the same cluster, but for the time', async () => {
    const [first, second] = [await planning.snapshot(), await planning.snapshot()];
    const timeless = ({ stdout }: Written) => stdout.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z by|takenAt: .*/g, '');
    expect(timeless(first)).toBe(timeless(second));
  });

  test('holds nothing that is nobody else’s business', async () => {
    const metadata = { name: 'hidden', namespace: 'shop', annotations: { note: 'in-an-annotation' } };
    await planning.cluster.client.create(configMaps, { metadata, data: { key: 'in-a-config-map' } } as never);
    await planning.cluster.client.create(secrets, { metadata, stringData: { key: 'in-a-secret' } } as never);
    const { stdout } = await planning.snapshot();
    expect(stdout).toContain('web-');
    for (const word of ['in-a', 'in-the', 'registry.example.com', 'managedFields', 'resourceVersion', 'ConfigMap\n'])
      expect(stdout).not.toContain(`${word}`);
    const kinds = new Set([...stdout.matchAll(/^kind: (.*)$/gm)].map(([, kind]) => kind));
    expect(kinds.has('Secret')).toBe(false);
  });

  test('of one namespace holds no workloads of others, and says so to who asks about these', async () => {
    await planning.cluster.createNamespace('mail');
    await planning.cluster.deploy('post', 1, { namespace: 'mail' });
    const { stdout, file: taken } = await planning.snapshot('-n', 'shop');
    expect(stdout).toContain('# Snapshot of');
    expect(stdout).toMatch(/kind: Deployment\nmetadata:\n {2}name: web/);
    expect(stdout).not.toMatch(/kind: Deployment\nmetadata:\n {2}name: post/);
    // It takes room on nodes, wherever it is from.
    expect(stdout).toMatch(/kind: Pod\nmetadata:\n {2}name: post/);
    const homeless = anExperiment('homeless');
    delete homeless.metadata.namespace;
    const planned = await runMain('plan', planning.write(homeless), '--snapshot', taken);
    expect(planned.stdout).toMatch(/^shop\/homeless: /);
    const other = anExperiment('other');
    other.metadata.namespace = 'mail';
    const { code, stderr } = await runMain('plan', planning.write(other), '--snapshot', taken);
    expect([code, stderr]).toEqual([2, expect.stringContaining('holds namespace shop only, and other is of mail')]);
  });

  test('says what its taker may not read, and so does a plan from it', async () => {
    const { store } = planning.cluster.cluster;
    createAccount(store, 'shop', 'reader');
    grantTo(store, 'shop/reader', 'shop', [{ apiGroups: ['', 'apps'], resources: ['*'], verbs: ['list'] }]);
    const token = await tokenOf(planning.cluster.cluster.url, 'shop', 'reader');
    const own = planning.file(
      'reader',
      stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'a',
        clusters: [{ name: 'a', cluster: { server: planning.cluster.cluster.url } }],
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
      planning.write(anExperiment('partly')),
      '--snapshot',
      planning.file('partly-seen', taken.stdout),
      '-o',
      'json',
    );
    const [plan] = JSON.parse(written.stdout) as Plan[];
    expect(plan?.steps[0]?.targets).toHaveLength(1);
    expect(plan?.unknown.join('\n')).toMatch(/whether its rights suffice: roles could not be read/);
    expect(plan?.unknown.join('\n')).toMatch(/where pods would fit: nodes could not be read/);
    const slow = { name: 'slow', network: { delay: { latency: '1s' } }, targets: killWeb().targets, duration: '5s' };
    const other = await runMain(
      'plan',
      planning.write(anExperiment('guessed', [slow])),
      '--kubeconfig',
      own,
      '-o',
      'json',
    );
    const [guessed] = JSON.parse(other.stdout) as Plan[];
    expect([guessed?.refusals, guessed?.steps[0]?.targets.length]).toEqual([[], 1]);
    expect(guessed?.unknown.join('\n')).toMatch(/which nodes have an agent: leases could not be read/);
    const same = await runMain('plan', planning.write(anExperiment('partly')), '--kubeconfig', own, '-o', 'json');
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
    const path = planning.file(`bad ${name}.yaml`, text);
    const { code, stdout, stderr } = await runMain('plan', planning.write(anExperiment('any')), '--snapshot', path);
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(`${path}${message}`)]);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test('that is not there is a usage error', async () => {
    const { code, stderr } = await runMain('plan', planning.write(anExperiment('any')), '--snapshot', '/no/such/file');
    expect([code, stderr]).toEqual([2, '/no/such/file: no such file or directory\n']);
  });
});
