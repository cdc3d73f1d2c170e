import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import type { ExperimentSpec, HypothesisProbe, Step } from '../../api/experiment.js';
import { faults } from '../../faults/index.js';
import type { Reading } from '../../probes/probe.js';
import { aStep, aTemplate } from '../../testing/builders.js';
import { type Right, rightsOf, rightText, type Served } from './rights.js';
import { roleFor, rolesFor } from './role-for.js';

const kinds: Record<string, ReturnType<Served>> = {
  Deployment: { group: 'apps', plural: 'deployments', namespaced: true },
  Pod: { group: '', plural: 'pods', namespaced: true },
  Node: { group: '', plural: 'nodes', namespaced: false },
};
const served: Served = ({ kind }) => kinds[kind];

const some = { selector: { matchLabels: { app: 'web' } } };
const step = (name: string, fault: object, targets: object = { pods: some }) => {
  const { podKill: _podKill, ...bare } = aStep(name) as unknown as Record<string, unknown>;
  return { ...bare, ...fault, targets } as unknown as Step;
};
const reading = (name: string, resource: Reading) =>
  ({ name, expect: {}, stages: ['Before'], resource }) as unknown as HypothesisProbe;
const texts = (spec: Partial<ExperimentSpec>) =>
  rightsOf(aTemplate({ hypothesis: [], ...spec }), 'shop', served).map((right) => `${rightText(right)} (${right.why})`);

describe('what an experiment must be allowed to do', () => {
  test('a fault of the API server takes the rights it says it needs, where its targets are', () => {
    expect(texts({ method: [step('kill', { podKill: {} })] })).toEqual(["delete pods in namespace shop (step 'kill')"]);
  });

  test('a fault of an agent takes a verb of our own, on its own name and nothing else', () => {
    const method = [step('slow', { network: { delay: { latency: '1s' } } }), step('cut', { partition: {} })];
    expect(texts({ method })).toEqual([
      "inject faults.squall.dev 'network' in namespace shop (step 'slow')",
      "inject faults.squall.dev 'partition' in namespace shop (step 'cut')",
    ]);
  });

  test('what is done to nodes and zones must be allowed in all namespaces, and on nodes', () => {
    const onNodes = step('kill', { podKill: {} }, { nodes: some });
    expect(texts({ method: [onNodes] })).toEqual(["delete pods in the whole cluster (step 'kill')"]);
  });

  const combinations = faults.flatMap(({ name, example, targets }) => targets.map((kind) => ({ name, example, kind })));

  test.each(combinations)('$name of $kind asks for something, and never for nodes in a namespace', (each) => {
    const { name, example, kind } = each;
    const method = [step('x', { [name]: example }, { [kind]: { kind: 'Deployment', ...some } })];
    const rights = rightsOf(aTemplate({ hypothesis: [], method }), 'shop', served);
    const local = kind === 'pods' || kind === 'workloads' ? 'shop' : undefined;
    expect(rights).not.toEqual([]);
    const own = rights.filter(({ verb }) => verb !== 'inject' || kind === 'pods');
    for (const { resource, namespace } of own) expect(namespace).toBe(resource === 'nodes' ? undefined : local);
    // What agents do beside a fault on nodes is done to pods of the run's namespace.
    for (const right of rights) if (!own.includes(right)) expect(right.namespace).toBe('shop');
  });

  test('a fault for workloads takes rights on the kind that the step names, and no more than its fields ask for', () => {
    const workloads = { workloads: { kind: 'StatefulSet', ...some } };
    const patch = (what: string) => `patch ${what} in namespace shop (step 'less')`;
    expect(texts({ method: [step('less', { scale: { count: 1 } }, workloads)] })).toEqual([patch('statefulsets.apps')]);
    expect(texts({ method: [step('less', { scale: { count: 1, autoscaler: 'Pause' } }, workloads)] })).toEqual([
      patch('statefulsets.apps'),
      patch('horizontalpodautoscalers.autoscaling'),
    ]);
  });

  test('where targets are named, rights on these are enough', () => {
    expect(texts({ method: [step('kill', { podKill: {} }, { pods: { names: ['web-0', 'web-1'] } })] })).toEqual([
      "delete pods 'web-0' in namespace shop (step 'kill')",
      "delete pods 'web-1' in namespace shop (step 'kill')",
    ]);
    expect(texts({ method: [step('drain', { nodeDrain: {} }, { nodes: { names: ['n1'] } })] })).toEqual([
      "patch nodes 'n1' (step 'drain')",
      "create pods/eviction in the whole cluster (step 'drain')",
    ]);
  });

  test('a probe takes the right to read what it reads: the one object, or the list, of the run alone', () => {
    const hypothesis = [
      reading('one', { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }),
      reading('all', { apiVersion: 'v1', kind: 'Pod' }),
      reading('nodes', { apiVersion: 'v1', kind: 'Node' }),
      reading('again', { apiVersion: 'v1', kind: 'Pod' }),
      reading('unknown', { apiVersion: 'example.com/v1', kind: 'Widget' }),
    ];
    expect(texts({ hypothesis, method: [step('kill', { podKill: {} })] }).slice(1)).toEqual([
      "get deployments.apps 'web' in namespace shop (probe 'one')",
      "list pods in namespace shop (probe 'all', probe 'again')",
      "list nodes (probe 'nodes')",
    ]);
  });
});

describe('the Role to paste', () => {
  const account = { namespace: 'shop', name: 'chaos' };
  const right = (more: Partial<Right>): Right => ({
    verb: 'get',
    group: '',
    resource: 'pods',
    namespace: 'shop',
    why: 'x',
    ...more,
  });
  const rights = [
    right({}),
    right({ verb: 'delete' }),
    right({ resource: 'services' }),
    right({ group: 'apps', resource: 'deployments', name: 'a' }),
    right({ group: 'apps', resource: 'deployments', name: 'b' }),
    right({ resource: 'pods', subresource: 'eviction', verb: 'create' }),
  ];
  const { namespace: _namespace, ...everywhere } = right({ verb: 'patch', resource: 'nodes' });

  test('grants all that was asked for and nothing else', () => {
    const [role] = rolesFor(account, rights, false);
    const granted = role?.rules.flatMap((rule: Record<string, string[]>) =>
      (rule.verbs ?? []).flatMap((verb) =>
        (rule.resources ?? []).flatMap((resource) =>
          (rule.resourceNames ?? ['']).map((name) => `${verb} ${rule.apiGroups?.[0]} ${resource} ${name}`),
        ),
      ),
    );
    const wanted = rights.map(
      ({ verb, group, resource, subresource, name = '' }) =>
        `${verb} ${group} ${subresource ? `${resource}/${subresource}` : resource} ${name}`,
    );
    expect(granted.sort()).toEqual(wanted.sort());
  });

  test('is a Role where it can be, a ClusterRole where it must be, and is bound to the account', () => {
    const objects = rolesFor(account, [...rights, everywhere], true);
    expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}`)).toEqual([
      'ServiceAccount shop',
      'Role shop',
      'RoleBinding shop',
      'ClusterRole ',
      'ClusterRoleBinding ',
    ]);
    for (const binding of objects.filter(({ kind }) => kind?.endsWith('Binding'))) {
      expect(binding.subjects).toEqual([{ kind: 'ServiceAccount', name: 'chaos', namespace: 'shop' }]);
      expect(binding.roleRef.name).toBe(binding.metadata.name);
    }
  });

  test('has another name for other rights, so that pasting it takes away none that were given before', () => {
    const name = (wanted: Right[]) => rolesFor(account, wanted, false)[0]?.metadata.name;
    expect(name(rights)).toBe(name([...rights]));
    expect(name(rights)).not.toBe(name(rights.slice(1)));
    expect(name([everywhere])).toMatch(/^squall-shop-chaos-/);
  });

  test('is YAML that reads back as it was, also indented, and nothing when nothing is missing', () => {
    const text = roleFor(account, [...rights, everywhere], true);
    const indented = text.replace(/^/gm, '    ');
    for (const each of [text, indented])
      expect(parse(each)).toEqual({
        apiVersion: 'v1',
        kind: 'List',
        items: JSON.parse(JSON.stringify(rolesFor(account, [...rights, everywhere], true))),
      });
    expect(text).toContain(
      '{ apiGroups: [ apps ], resources: [ deployments ], resourceNames: [ a, b ], verbs: [ get ] }',
    );
    expect(roleFor(account, [], false)).toBe('');
  });
});
