/** Something to do to the cluster, as data: a dry run can print it and one interpreter performs it. */
export type Step = DeletePod;

/** Delete one pod, and only the pod with that UID. */
export interface DeletePod {
  do: 'deletePod';
  namespace: string;
  name: string;
  uid: string;
  /** Whole seconds between SIGTERM and SIGKILL, of which the kubelet makes 2 at least; undefined: the pod's own grace period. */
  gracePeriodSeconds?: number;
}
