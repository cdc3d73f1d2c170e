import { SIDECAR_PREFIX } from '../api/labels.js';
import type { Json, KubeObject } from '../kubernetes/resource.js';

/** What a sidecar agent needs of a pod's memory. */
const NEEDED_MEBIBYTES = 128;
/** Ephemeral containers stay in a pod for ever, so that there is an end to them. */
const MOST_SIDECARS = 8;

/** Why no ephemeral container of ours can work in a pod, in a sentence that says what would help; undefined: one can. */
export function sidecarRefusal({ spec }: KubeObject): string | undefined {
  if (isWindows(spec)) return 'it is a Windows pod, and sidecars need Linux';
  const present = (spec?.ephemeralContainers ?? []).filter(({ name }: Json) => name?.startsWith(SIDECAR_PREFIX)).length;
  if (present >= MOST_SIDECARS) {
    return `${present} sidecars have been added to it, which can't be removed again; replace the pod, or use the node agent`;
  }
  return noHeadRoom(spec);
}

function isWindows(spec: Json): boolean {
  return spec?.os?.name === 'windows' || spec?.nodeSelector?.['kubernetes.io/os'] === 'windows';
}

/**
 * An ephemeral container has no memory of its own: it shares what the pod as a whole is limited to, which is the sum of
 * its containers' limits if each has one. What these ask for is theirs; a process that took of it could get them killed.
 */
function noHeadRoom(spec: Json): string | undefined {
  const containers: Json[] = [
    ...(spec?.containers ?? []),
    ...(spec?.initContainers ?? []).filter(({ restartPolicy }: Json) => restartPolicy === 'Always'),
  ];
  const each = containers.map(({ resources }) => amounts(resources));
  const limit = bytes(spec?.resources?.limits?.memory) ?? sum(each.map((amount) => amount.limit));
  if (limit === undefined) return undefined;
  const asked = bytes(spec?.resources?.requests?.memory) ?? sum(each.map(({ request = 0 }) => request)) ?? 0;
  const left = Math.floor((limit - asked) / 2 ** 20);
  if (left >= NEEDED_MEBIBYTES) return undefined;
  return `its memory limit is ${left} MiB above what its containers request and a sidecar needs ${NEEDED_MEBIBYTES} MiB; raise the limit, or use the node agent`;
}

/** Bytes of memory that are asked for and allowed; what only a limit is given for is asked for in full. */
function amounts(resources: Json): { limit?: number; request?: number } {
  const limit = bytes(resources?.limits?.memory);
  const request = bytes(resources?.requests?.memory) ?? limit;
  return { ...(limit !== undefined && { limit }), ...(request !== undefined && { request }) };
}

/** The sum; undefined when one is missing, or all are. */
function sum(values: readonly (number | undefined)[]): number | undefined {
  if (values.length === 0) return undefined;
  return values.reduce((total, value) => (total === undefined || value === undefined ? undefined : total + value), 0);
}

const suffixes: Record<string, number> = {
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** The value of a quantity such as `128Mi` or `1e9`; undefined when it is none. See the Quantity type of Kubernetes. */
function bytes(quantity: unknown): number | undefined {
  const [, amount, suffix = ''] = /^([0-9.]+(?:[eE][+-]?[0-9]+)?)([mkMGTPE]|[KMGTPE]i)?$/.exec(String(quantity)) ?? [];
  const value = Number(amount) * (suffixes[suffix] ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}
