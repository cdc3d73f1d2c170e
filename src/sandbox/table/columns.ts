import { arrayOf } from '../resources/pod-defaults.js';
import type { Column } from '../resources/resource-type.js';
import type { Json, KubeObject } from '../store/types.js';
import { ageOf, humanDuration } from './duration.js';
import { podReady, podRestarts, podStatus } from './pod-cells.js';

type Cell = Column['cell'];

const NONE = '<none>';
const UNSET = '<unset>';
const ROLE_LABEL = 'node-role.kubernetes.io/';
const MAX_ENDPOINTS = 3;

const NAME = column('Name', ({ metadata }) => metadata.name, { format: 'name' });
const AGE = column('Age', ({ metadata }, now) => ageOf(metadata.creationTimestamp, now));

const COLUMNS: Record<string, Column[]> = {
  pods: [
    NAME,
    column('Ready', podReady),
    column('Status', podStatus),
    column('Restarts', podRestarts),
    AGE,
    wide('IP', ({ status }) => status?.podIP || NONE),
    wide('Node', ({ spec }) => spec?.nodeName || NONE),
    wide('Nominated Node', ({ status }) => status?.nominatedNodeName || NONE),
    wide('Readiness Gates', () => NONE),
  ],
  deployments: [
    NAME,
    column('Ready', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`),
    count('Up-to-date', ({ status }) => status?.updatedReplicas),
    count('Available', ({ status }) => status?.availableReplicas),
    AGE,
    ...templateColumns(),
  ],
  replicasets: [
    NAME,
    count('Desired', ({ spec }) => spec?.replicas),
    count('Current', ({ status }) => status?.replicas),
    count('Ready', ({ status }) => status?.readyReplicas),
    AGE,
    ...templateColumns(),
  ],
  statefulsets: [
    NAME,
    column('Ready', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`),
    AGE,
    ...templateColumns().slice(0, 2),
  ],
  daemonsets: [
    NAME,
    count('Desired', ({ status }) => status?.desiredNumberScheduled),
    count('Current', ({ status }) => status?.currentNumberScheduled),
    count('Ready', ({ status }) => status?.numberReady),
    count('Up-to-date', ({ status }) => status?.updatedNumberScheduled),
    count('Available', ({ status }) => status?.numberAvailable),
    column('Node Selector', ({ spec }) => pairs(spec?.template?.spec?.nodeSelector)),
    AGE,
    ...templateColumns(),
  ],
  jobs: [
    NAME,
    column('Status', jobStatus),
    column('Completions', ({ spec, status }) => `${status?.succeeded ?? 0}/${spec?.completions ?? 1}`),
    column('Duration', jobDuration),
    AGE,
    ...templateColumns(),
  ],
  nodes: [
    NAME,
    column('Status', nodeStatus),
    column('Roles', nodeRoles),
    AGE,
    column('Version', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
    wide('Internal-IP', (node) => nodeAddress(node, 'InternalIP')),
    wide('External-IP', (node) => nodeAddress(node, 'ExternalIP')),
    wide('OS-Image', ({ status }) => status?.nodeInfo?.osImage || '<unknown>'),
    wide('Kernel-Version', ({ status }) => status?.nodeInfo?.kernelVersion || '<unknown>'),
    wide('Container-Runtime', ({ status }) => status?.nodeInfo?.containerRuntimeVersion || '<unknown>'),
  ],
  namespaces: [NAME, column('Status', ({ status }) => status?.phase ?? ''), AGE],
  services: [
    NAME,
    column('Type', ({ spec }) => spec?.type ?? ''),
    column('Cluster-IP', ({ spec }) => spec?.clusterIP || NONE),
    column('External-IP', ({ spec }) => (spec?.externalIPs ?? []).join(',') || spec?.externalName || NONE),
    column('Port(s)', servicePorts),
    AGE,
    wide('Selector', ({ spec }) => pairs(spec?.selector)),
  ],
  endpoints: [NAME, column('Endpoints', endpoints), AGE],
  endpointslices: [
    NAME,
    column('AddressType', ({ addressType }) => addressType ?? ''),
    column('Ports', ({ ports }) =>
      shortened(
        arrayOf(ports).map((port) => String(port.port ?? '*')),
        UNSET,
      ),
    ),
    column('Endpoints', (slice) =>
      shortened(
        arrayOf(slice.endpoints).flatMap((item) => item.addresses ?? []),
        UNSET,
      ),
    ),
    AGE,
  ],
  events: [
    column('Last Seen', (event, now) => ageOf(lastSeen(event), now)),
    column('Type', ({ type }) => type ?? ''),
    column('Reason', ({ reason }) => reason ?? ''),
    column('Object', ({ involvedObject: object }) => `${String(object?.kind ?? '').toLowerCase()}/${object?.name}`),
    wide('Subobject', ({ involvedObject }) => involvedObject?.fieldPath ?? ''),
    wide('Source', ({ source, reportingComponent }) => source?.component || reportingComponent || ''),
    column('Message', ({ message }) => String(message ?? '').trim()),
    wide('First Seen', (event, now) => ageOf(event.firstTimestamp ?? lastSeen(event), now)),
    wide('Count', ({ count, series }) => series?.count ?? count ?? 1),
    { ...NAME, priority: 1 },
  ],
  configmaps: [NAME, count('Data', ({ data, binaryData }) => size(data) + size(binaryData)), AGE],
  secrets: [NAME, column('Type', ({ type }) => type ?? ''), count('Data', ({ data }) => size(data)), AGE],
  serviceaccounts: [NAME, count('Secrets', ({ secrets }) => arrayOf(secrets).length), AGE],
  poddisruptionbudgets: [
    NAME,
    column('Min Available', ({ spec }) => String(spec?.minAvailable ?? 'N/A')),
    column('Max Unavailable', ({ spec }) => String(spec?.maxUnavailable ?? 'N/A')),
    count('Allowed Disruptions', ({ status }) => status?.disruptionsAllowed),
    AGE,
  ],
  horizontalpodautoscalers: [
    NAME,
    column('Reference', ({ spec }) => `${spec?.scaleTargetRef?.kind}/${spec?.scaleTargetRef?.name}`),
    column('Targets', ({ spec }) => arrayOf(spec?.metrics).map(metricTarget).join(', ')),
    column('MinPods', ({ spec }) => String(spec?.minReplicas ?? '<unset>')),
    count('MaxPods', ({ spec }) => spec?.maxReplicas),
    count('Replicas', ({ status }) => status?.currentReplicas),
    AGE,
  ],
  leases: [NAME, column('Holder', ({ spec }) => spec?.holderIdentity ?? ''), AGE],
  customresourcedefinitions: [NAME, column('Created At', ({ metadata }) => metadata.creationTimestamp)],
  clusterroles: [NAME, column('Created At', ({ metadata }) => metadata.creationTimestamp)],
  roles: [NAME, column('Created At', ({ metadata }) => metadata.creationTimestamp)],
  rolebindings: [NAME, column('Role', ({ roleRef }) => `${roleRef?.kind}/${roleRef?.name}`), AGE],
  clusterrolebindings: [NAME, column('Role', ({ roleRef }) => `${roleRef?.kind}/${roleRef?.name}`), AGE],
  networkpolicies: [NAME, column('Pod-Selector', ({ spec }) => pairs(spec?.podSelector?.matchLabels)), AGE],
  ingresses: [
    NAME,
    column('Class', ({ spec }) => spec?.ingressClassName || NONE),
    column(
      'Hosts',
      ({ spec }) =>
        arrayOf(spec?.rules)
          .map((rule) => rule.host)
          .filter(Boolean)
          .join(',') || '*',
    ),
    AGE,
  ],
};

/** The columns `kubectl get` shows of a built-in kind, by its plural; name and age for any other. */
export function columnsOf(plural: string): Column[] {
  return COLUMNS[plural] ?? [NAME, AGE];
}

/** The two columns of a kind that declares none. */
export const DEFAULT_COLUMNS: readonly Column[] = [NAME, AGE];

function column(name: string, cell: Cell, more: Partial<Column> = {}): Column {
  return { name, type: 'string', cell, ...more };
}

function wide(name: string, cell: Cell): Column {
  return column(name, cell, { priority: 1 });
}

function count(name: string, cell: (object: KubeObject) => number | undefined): Column {
  return column(name, (object) => cell(object) ?? 0, { type: 'integer' });
}

function templateColumns(): Column[] {
  const containers = ({ spec }: KubeObject) => arrayOf(spec?.template?.spec?.containers);
  return [
    wide('Containers', (object) =>
      containers(object)
        .map(({ name }) => name)
        .join(','),
    ),
    wide('Images', (object) =>
      containers(object)
        .map(({ image }) => image)
        .join(','),
    ),
    wide('Selector', ({ spec }) => pairs(spec?.selector?.matchLabels)),
  ];
}

/** Metrics are never known here. */
function metricTarget({ resource }: Json): string {
  const wanted = resource?.target?.averageUtilization;
  return resource === undefined
    ? '<unknown>'
    : `${resource.name}: <unknown>${wanted === undefined ? '' : `/${wanted}%`}`;
}

function jobStatus({ status, spec, metadata }: KubeObject): string {
  const holds = (type: string) =>
    arrayOf(status?.conditions).some((condition) => condition.type === type && condition.status === 'True');
  if (holds('Complete')) {
    return 'Complete';
  }
  if (holds('Failed')) {
    return 'Failed';
  }
  if (metadata.deletionTimestamp !== undefined) {
    return 'Terminating';
  }
  return spec?.suspend ? 'Suspended' : 'Running';
}

function jobDuration({ status }: KubeObject, now: Date): string {
  if (!status?.startTime) {
    return '';
  }
  const end = status.completionTime ? Date.parse(status.completionTime) : now.getTime();
  return humanDuration((end - Date.parse(status.startTime)) / 1000);
}

function nodeStatus({ status, spec }: KubeObject): string {
  const ready = arrayOf(status?.conditions).find((condition) => condition.type === 'Ready');
  const state = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return spec?.unschedulable ? `${state},SchedulingDisabled` : state;
}

function nodeRoles({ metadata }: KubeObject): string {
  const labels = Object.keys(metadata.labels ?? {}).filter((label) => label.startsWith(ROLE_LABEL));
  return labels.map((label) => label.slice(ROLE_LABEL.length)).join(',') || NONE;
}

function nodeAddress({ status }: KubeObject, type: string): string {
  return arrayOf(status?.addresses).find((address) => address.type === type)?.address ?? NONE;
}

function servicePorts({ spec }: KubeObject): string {
  const shown = arrayOf(spec?.ports).map(({ port, nodePort, protocol }) =>
    nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
  );
  return shown.join(',') || NONE;
}

function endpoints({ subsets }: KubeObject): string {
  const all = arrayOf(subsets).flatMap((subset: Json) => {
    const ports = arrayOf(subset.ports);
    return arrayOf(subset.addresses).flatMap(({ ip }) =>
      ports.length === 0 ? [ip] : ports.map(({ port }) => `${ip}:${port}`),
    );
  });
  return shortened(all, NONE);
}

function shortened(items: string[], none: string): string {
  const shown = items.slice(0, MAX_ENDPOINTS).join(',');
  return items.length > MAX_ENDPOINTS ? `${shown} + ${items.length - MAX_ENDPOINTS} more...` : shown || none;
}

function lastSeen({ series, lastTimestamp, eventTime, metadata }: KubeObject): string {
  return series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp;
}

function size(data: unknown): number {
  return typeof data === 'object' && data !== null ? Object.keys(data).length : 0;
}

function pairs(map: unknown): string {
  const entries = typeof map === 'object' && map !== null ? Object.entries(map) : [];
  return entries.map(([key, value]) => `${key}=${value}`).join(',') || NONE;
}
