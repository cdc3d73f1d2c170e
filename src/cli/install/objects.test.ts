import { expect, test } from '@jest/globals';
import { installOptions } from './command.js';
import { inOrder, installation } from './objects.js';

const objects = inOrder(installation(installOptions()));
const named = (kind: string, name: string) =>
  objects.find((object) => object.kind === kind && object.metadata.name === name);
const rules = () => objects.filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role');

test('no role has a wildcard, reads Secrets, or aggregates into the roles of users', () => {
  for (const { rules: granted = [], metadata } of rules()) {
    const text = JSON.stringify(granted);
    expect(text).not.toContain('*');
    expect(text).not.toMatch(/secrets|configmaps|impersonate|escalate|"bind"/);
    expect(Object.keys(metadata.labels ?? {}).filter((label) => label.startsWith('rbac.'))).toEqual([]);
  }
});

test('what probes may read can be added to, and is read only', () => {
  const [selector] = named('ClusterRole', 'squall-probes')?.aggregationRule.clusterRoleSelectors ?? [];
  const common = named('ClusterRole', 'squall-probes-common');
  expect(common?.metadata.labels).toMatchObject(selector.matchLabels);
  for (const { verbs } of common?.rules ?? []) expect(verbs).toEqual(['get', 'list']);
});

test('agents can write nothing but the status of injections, their Lease and events', () => {
  const written = rules()
    .filter(({ metadata }) => metadata.name === 'squall-agent')
    .flatMap(({ rules: granted }) => granted)
    .filter(({ verbs }) => verbs.some((verb: string) => !['get', 'list', 'watch'].includes(verb)))
    .flatMap(({ resources }) => resources);
  expect(new Set(written)).toEqual(new Set(['injections/status', 'leases', 'events']));
});

test('neither workload is privileged or listens on a port, and agents have named capabilities only', () => {
  for (const name of ['squall-controller', 'squall-agent']) {
    const workload = named('Deployment', name) ?? named('DaemonSet', name);
    const text = JSON.stringify(workload);
    expect(text).not.toContain('"privileged":true');
    expect(text).not.toContain('"ports"');
    expect(text).not.toContain('hostNetwork');
    expect(workload?.spec.template.spec.containers[0].securityContext.capabilities.drop).toEqual(['ALL']);
  }
  expect(named('DaemonSet', 'squall-agent')?.spec.template.spec.containers[0].securityContext.capabilities.add).toEqual(
    ['KILL', 'SETGID', 'SETUID', 'NET_ADMIN', 'SYS_PTRACE', 'SYS_ADMIN'],
  );
});

test('without agents nothing of them is installed', () => {
  const without = inOrder(installation(installOptions({ agents: false })));
  expect(JSON.stringify(without)).not.toContain('squall-agent"');
  expect(without.map(({ kind }) => kind)).not.toContain('ValidatingAdmissionPolicy');
});

test('everything of ours is marked, so that no fault hits it and it can be found', () => {
  for (const object of objects) expect(object.metadata.labels?.['app.kubernetes.io/part-of']).toBe('squall');
  for (const name of ['squall-controller', 'squall-agent']) {
    const workload = named('Deployment', name) ?? named('DaemonSet', name);
    expect(workload?.spec.template.metadata.labels['app.kubernetes.io/part-of']).toBe('squall');
  }
});
