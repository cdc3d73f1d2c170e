/** How a program ended. Output beyond 4 MiB is an error, not cut off. */
export interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

/** How to run a program. */
export interface ProgramOptions {
  /** What it gets on stdin. */
  input?: string;
  /** Killed after this long. Default 10 s. */
  timeoutMilliseconds?: number;
}

/** Runs a program from an argument array, without a shell. Resolves also when the program fails; see `Output.code`. */
export type RunProgram = (program: string, args: readonly string[], options?: ProgramOptions) => Promise<Output>;

/** One process of a target, told apart from a later one with the same number by its start time. */
export interface TargetProcess {
  pid: number;
  /** Ticks since boot, field 22 of /proc/PID/stat. */
  startTime: string;
  /** Its number inside its own PID namespace; 1 for the first process of a container. */
  innerPid: number;
  /**
   * Name of the container it runs in, also when it runs in a cgroup of its own further down (systemd or docker inside of
   * the container); undefined for the pod's sandbox (the pause process) and for containers the API server doesn't know yet.
   */
  container: string | undefined;
  /** Whether that is an ephemeral container, which faults leave alone unless they name it. */
  ephemeral: boolean;
  /** Field 2 of /proc/PID/stat. */
  name: string;
  /** Arguments joined by spaces, at most 4 KiB. */
  commandLine: string;
}

/** A target as it was verified a moment ago: where its network and processes are, and nobody else's. */
export interface Place {
  pod: { namespace: string; name: string; uid: string };
  /** `net:[4026532008]`: what /proc/PID/ns/net of its processes links to. */
  networkNamespace: string;
  /** `status.podIPs`, all of which the namespace holds. */
  podIPs: readonly string[];
  /** Runs a program of the agent's own image inside the target's network namespace. */
  run: RunProgram;
  /**
   * Arguments that go before a program's own to start it inside the target's network namespace and nowhere else changed,
   * in place of itself, such as `nsenter --net=/proc/123/ns/net --`; empty for an agent that is in there already.
   */
  enter: readonly string[];
  /** The processes of the target; a sidecar sees none. */
  processes(): Promise<TargetProcess[]>;
}
