import type { KubeObject } from '../store/types.js';

/** Which lines of a container's output are wanted. */
export interface LogRequest {
  /** A container's name; always one that the pod's spec has. */
  container: string;
  /** Goes on with new lines until the container ends or the signal fires. */
  follow: boolean;
  /** The output of the container's process before the last restart. */
  previous: boolean;
  /** At most so many lines of what is already there; all of them when absent. */
  tailLines?: number;
  /** Only lines from then on. */
  since?: Date;
}

/** A line of output, without its line end. */
export interface LogLine {
  time: Date;
  text: string;
}

/** Where `pods/log` finds the output of containers: implemented by the kubelets. */
export interface LogSource {
  /**
   * The lines asked for, oldest first. Undefined when that container has no output yet (not started, or no previous
   * run). Ends when the signal fires.
   */
  read(pod: KubeObject, request: LogRequest, signal: AbortSignal): AsyncIterable<LogLine> | undefined;
}
