import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { stringify } from 'yaml';
import { API_VERSION, DEFAULT_NAMESPACE } from '../src/api/labels.js';
import { planKinds } from '../src/cli/plan/kinds.js';
import { pick } from '../src/cli/plan/picks.js';
import { SNAPSHOT_END, SNAPSHOT_KIND } from '../src/cli/plan/snapshot-format.js';
import { apiVersionOf, type Json, type KubeObject } from '../src/kubernetes/resource.js';

/** How many objects a snapshot has. */
export interface SnapshotSize {
  nodes: number;
  /** Half of them have a PodDisruptionBudget, and each a Service. */
  deployments: number;
  podsEach: number;
}

/** The zones of the nodes in turn, and the namespaces of the workloads. */
const ZONES = 3;
const NAMESPACES = 20;
const takenAt = '2026-01-01T12:00:00.000Z';
const creationTimestamp = '2026-01-01T00:00:00Z';
const ready = [{ type: 'Ready', status: 'True' }];

/** Names are `node-0` …, in zones `zone-0` …, and `app-0` … in namespaces `space-0` …; service accounts may do everything. */
export async function writeSnapshot(file: string, size: SnapshotSize): Promise<void> {
  const stream = createWriteStream(file);
  const over = finished(stream);
  let objects = 0;
  const write = (text: string, count = 1) => {
    objects += count;
    stream.write(text);
  };
  const header = { apiVersion: API_VERSION, kind: SNAPSHOT_KIND, takenAt, serverVersion: 'v1.34.1' };
  stream.write(stringify({ ...header, systemNamespace: DEFAULT_NAMESPACE, leftOut: [] }));
  for (let index = 0; index < NAMESPACES; index += 1)
    write(documentOf('namespaces', { metadata: { name: spaceOf(index) } }));
  for (let index = 0; index < size.nodes; index += 1) write(documentOf('nodes', nodeOf(index)));
  for (let index = 0; index < size.deployments; index += 1) writeDeployment(write, index, size);
  for (const document of rights()) write(document);
  stream.write(`---\n${stringify({ apiVersion: API_VERSION, kind: SNAPSHOT_END, objects })}`);
  (stream as Writable).end();
  await over;
}

function writeDeployment(write: (text: string, count?: number) => void, index: number, size: SnapshotSize): void {
  const name = `app-${index}`;
  const namespace = spaceOf(index);
  const labels = { app: name };
  const selector = { matchLabels: labels };
  const replicas = size.podsEach;
  const status = { replicas, readyReplicas: replicas, updatedReplicas: replicas, availableReplicas: replicas };
  const spec = { replicas, selector, template: { metadata: { labels } } };
  const metadata = { name, namespace, uid: `deployment-${index}`, labels, generation: 1, creationTimestamp };
  const done = { ...status, observedGeneration: 1 };
  write(documentOf('deployments', { metadata, spec, status: done }));
  const owned = {
    ...metadata,
    name: `${name}-1`,
    uid: `set-${index}`,
    ownerReferences: [ownerOf('Deployment', metadata)],
  };
  write(documentOf('replicaSets', { metadata: owned, spec, status: done }));
  write(documentOf('services', { metadata: { name, namespace }, spec: { selector: labels, type: 'ClusterIP' } }));
  if (index % 2 === 0) {
    const allowed = { currentHealthy: replicas, desiredHealthy: replicas - 5, disruptionsAllowed: 5 };
    write(
      documentOf('disruptionBudgets', {
        metadata: { name, namespace, generation: 1 },
        spec: { maxUnavailable: 5, selector },
        status: { ...allowed, expectedPods: replicas, observedGeneration: 1 },
      }),
    );
  }
  // One is enough for the shape of all, and thousands take long.
  const pod = documentOf('pods', podOf(namespace, name, owned));
  const pods = Array.from({ length: replicas }, (_, each) => {
    const node = (index * replicas + each) % size.nodes;
    return pod.replaceAll('THE_POD', `${name}-1-${each}`).replaceAll('THE_NODE', `node-${node}`);
  });
  write(pods.join(''), pods.length);
}

function podOf(namespace: string, app: string, set: { name: string; uid: string }) {
  const spread = { maxSkew: 1, topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway' };
  const resources = { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } };
  const labels = { app, 'pod-template-hash': '1' };
  return {
    metadata: {
      name: 'THE_POD',
      namespace,
      uid: 'uid-THE_POD',
      labels,
      creationTimestamp,
      ownerReferences: [ownerOf('ReplicaSet', set)],
    },
    spec: {
      nodeName: 'THE_NODE',
      schedulerName: 'default-scheduler',
      terminationGracePeriodSeconds: 30,
      tolerations: ['not-ready', 'unreachable'].map((what) => ({
        key: `node.kubernetes.io/${what}`,
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: 300,
      })),
      topologySpreadConstraints: [{ ...spread, labelSelector: { matchLabels: { app } } }],
      containers: [{ name: 'main', resources, readinessProbe: {} }],
      volumes: [{ name: 'token' }],
    },
    status: { phase: 'Running', conditions: ready, containerStatuses: [{ name: 'main', state: { running: {} } }] },
  };
}

function nodeOf(index: number) {
  const name = `node-${index}`;
  const zone = `zone-${index % ZONES}`;
  const labels = { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', 'topology.kubernetes.io/zone': zone };
  const status = {
    allocatable: { cpu: '8', memory: '32Gi', pods: '110' },
    conditions: ready,
    nodeInfo: { bootID: name },
  };
  return { metadata: { name, uid: name, labels, creationTimestamp }, status };
}

/** What lets every service account do everything. */
function rights(): string[] {
  const apiGroup = 'rbac.authorization.k8s.io';
  const roleRef = { apiGroup, kind: 'ClusterRole', name: 'everything' };
  const subjects = [{ apiGroup, kind: 'Group', name: 'system:serviceaccounts' }];
  const rules = [{ apiGroups: ['*'], resources: ['*'], verbs: ['*'] }];
  return [
    documentOf('serviceAccounts', { metadata: { name: 'default', namespace: spaceOf(0) } }),
    documentOf('clusterRoles', { metadata: { name: 'everything' }, rules }),
    documentOf('clusterRoleBindings', { metadata: { name: 'everything' }, roleRef, subjects }),
  ];
}

function ownerOf(kind: string, { name, uid }: { name: string; uid: string }) {
  return { apiVersion: 'apps/v1', kind, name, uid, controller: true, blockOwnerDeletion: true };
}

function spaceOf(index: number): string {
  return `space-${index % NAMESPACES}`;
}

/** As `squall snapshot` writes it, of the fields that it keeps. */
function documentOf(kind: keyof typeof planKinds, object: Json): string {
  const { resource, keep } = planKinds[kind];
  const whole: KubeObject = { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object };
  return `---\n${stringify(pick(whole, keep), { aliasDuplicateObjects: false, lineWidth: 0 })}`;
}
