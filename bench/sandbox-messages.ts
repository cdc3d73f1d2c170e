/** Asks the process of the sandbox for pods `<prefix>-0`, `<prefix>-1`, … with the label `app`. */
export interface PodBatch {
  namespace: string;
  prefix: string;
  app: string;
  count: number;
}

/** What the process of the sandbox says: first where it is, then which batch of pods is Ready. */
export type SandboxMessage = { url: string; kubeconfig: string } | { ready: string };
