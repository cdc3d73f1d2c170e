import { isRecord } from '../json.js';
import type { Json, KubeObject } from '../store/types.js';

const DEFAULT_FILE_MODE = 0o644;
const UNREACHABLE_TOLERATION_SECONDS = 300;
const VOLUMES_WITH_MODE = ['configMap', 'secret', 'projected', 'downwardAPI'];

/** Defaults of a pod's spec, in a pod or in a template (k8s `pkg/apis/core/v1/defaults.go`). */
export function defaultPodSpec(spec: Json): void {
  spec.restartPolicy ??= 'Always';
  spec.dnsPolicy ??= 'ClusterFirst';
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ??= 'default-scheduler';
  spec.securityContext ??= {};
  for (const list of [spec.containers, spec.initContainers, spec.ephemeralContainers]) {
    for (const container of arrayOf(list)) {
      defaultContainer(container);
    }
  }
  for (const volume of arrayOf(spec.volumes)) {
    defaultVolume(volume);
  }
}

/** Defaults that only a pod itself has: status, tolerations that admission adds, quality of service. */
export function defaultPod(pod: KubeObject): void {
  pod.spec ??= {};
  defaultPodSpec(pod.spec);
  pod.spec.enableServiceLinks ??= true;
  pod.spec.serviceAccountName ||= 'default';
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    tolerate(pod.spec, key);
  }
  pod.status ??= {};
  pod.status.phase ??= 'Pending';
  pod.status.qosClass ??= qualityOfService(pod.spec);
}

function tolerate(spec: Json, key: string): void {
  const tolerations = arrayOf(spec.tolerations);
  const tolerated = tolerations.some(
    (toleration) => (toleration.key === key || !toleration.key) && (toleration.effect ?? 'NoExecute') === 'NoExecute',
  );
  if (!tolerated) {
    const added = { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: UNREACHABLE_TOLERATION_SECONDS };
    spec.tolerations = [...tolerations, added];
  }
}

function defaultContainer(container: Json): void {
  container.imagePullPolicy ??= isLatest(container.image) ? 'Always' : 'IfNotPresent';
  container.terminationMessagePath ??= '/dev/termination-log';
  container.terminationMessagePolicy ??= 'File';
  container.resources ??= {};
  const { limits } = container.resources;
  if (limits) {
    container.resources.requests = { ...limits, ...container.resources.requests };
  }
  for (const port of arrayOf(container.ports)) {
    port.protocol ??= 'TCP';
  }
  for (const entry of arrayOf(container.env)) {
    if (entry.valueFrom?.fieldRef) {
      entry.valueFrom.fieldRef.apiVersion ??= 'v1';
    }
  }
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) {
    defaultProbe(probe);
  }
}

function defaultProbe(probe: Json): void {
  if (!probe) {
    return;
  }
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  if (probe.httpGet) {
    probe.httpGet.path ||= '/';
    probe.httpGet.scheme ||= 'HTTP';
  }
}

function defaultVolume(volume: Json): void {
  if (Object.keys(volume).every((key) => key === 'name')) {
    volume.emptyDir = {};
  }
  for (const source of VOLUMES_WITH_MODE) {
    if (isRecord(volume[source])) {
      volume[source].defaultMode ??= DEFAULT_FILE_MODE;
    }
  }
}

function isLatest(image: unknown): boolean {
  const name = String(image ?? '')
    .split('/')
    .at(-1)!;
  return !name.includes('@') && (!name.includes(':') || name.endsWith(':latest'));
}

function qualityOfService(spec: Json): string {
  const all = [...arrayOf(spec.containers), ...arrayOf(spec.initContainers)].map(({ resources }) => resources ?? {});
  const amounts = (kind: 'limits' | 'requests') => all.map((resources) => resources[kind] ?? {});
  if ([...amounts('limits'), ...amounts('requests')].every((entry) => Object.keys(entry).length === 0)) {
    return 'BestEffort';
  }
  const guaranteed = all.every(({ limits = {}, requests = {} }) =>
    ['cpu', 'memory'].every((name) => limits[name] !== undefined && limits[name] === requests[name]),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

/** The value as a list of objects; anything else in its place is left to validation. */
export function arrayOf(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'object' && item !== null) : [];
}
