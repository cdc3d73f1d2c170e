import type { Isolation, PodSandbox } from '../isolation/isolation.js';
import { type ContainerProcess, type Launch, startContainerProcess } from './container-process.js';
import { LogBuffer } from './log-buffer.js';
import { TerminationLog, terminationLogVariable } from './termination-log.js';

/** One run of a container. */
export interface StartedContainer {
  process: ContainerProcess;
  log: LogBuffer;
  /** As it stands in the pod's status; undefined when the process could not be started. */
  containerID: string | undefined;
  /** Starts one more process in the container. */
  exec(command: string[]): ContainerProcess;
  /**
   * To be called when the process has ended.
   *
   * @returns the termination message, when there is one
   */
  end(): string | undefined;
}

/** Starts a container's process in its pod. Throws for what no process can have, such as a NUL in an argument. */
export function startContainer(
  { command, environment, workingDirectory }: Launch,
  sandbox: PodSandbox,
  { watchdog, directory }: Pick<Isolation, 'watchdog' | 'directory'>,
): StartedContainer {
  const run = sandbox.newRun();
  const log = new LogBuffer();
  const termination = new TerminationLog(directory);
  const variables = { ...environment, [terminationLogVariable]: termination.file };
  const start = (what: string[], output: LogBuffer) =>
    startContainerProcess(run.enter({ command: what, environment: variables, workingDirectory }), output, watchdog);
  const end = () => {
    run.end();
    return termination.take();
  };
  try {
    const process = start(command, log);
    const containerID = process.pid === undefined ? undefined : `process://${run.id ?? process.pid}`;
    return { process, log, containerID, exec: (what) => start(what, new LogBuffer()), end };
  } catch (error) {
    end();
    throw error;
  }
}
