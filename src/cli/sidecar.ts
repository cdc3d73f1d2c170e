import { writeFileSync } from 'node:fs';
import { runProgram } from '../agent/run-program.js';
import { holdOrder, type SidecarTools } from '../agent/sidecar/hold.js';
import { revertOrder } from '../agent/sidecar/revert.js';
import { decodeOrder, encodeReport, type SidecarOrder, type SidecarReport } from '../faults/sidecar.js';
import { systemTiming } from '../kubernetes/timing.js';
import { exitCodes, type Io, UsageError } from './io.js';

/** Options of `squall sidecar`. */
export interface SidecarCommandOptions {
  /** The order, as the controller wrote it. */
  fault: string;
  /** Nobody is left who could put the fault back. */
  alone?: boolean;
}

/**
 * `squall sidecar hold|revert`: carries out an order in the network namespace it runs in. Each line of its output is a
 * report, and the last one is its termination message too.
 */
export async function sidecarCommand(
  what: 'hold' | 'revert',
  options: SidecarCommandOptions,
  io: Pick<Io, 'stdout'>,
): Promise<number> {
  const order = orderOf(options.fault);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
  const tell = (report: SidecarReport) => void io.stdout.write(`${encodeReport(report)}\n`);
  const tools: SidecarTools = { run: runProgram, timing: systemTiming, wallClock: Date.now, stop: stop.signal, tell };
  const report = await (what === 'hold' ? holdOrder(order, tools) : revertOrder(order, tools, options.alone === true));
  tell(report);
  leaveMessage(report);
  return report.end === 'Refused' || report.end === 'Failed' ? exitCodes.Error : exitCodes.Passed;
}

function orderOf(text: string): SidecarOrder {
  try {
    return decodeOrder(text);
  } catch (error) {
    throw new UsageError(
      `squall sidecar is started by the controller, in a pod; --fault is not what that writes: ${(error as Error).message}`,
    );
  }
}

/** Where the kubelet looks for it; an embedded cluster mounts nothing and names the file. */
function leaveMessage(report: SidecarReport): void {
  try {
    writeFileSync(process.env.SQUALL_TERMINATION_LOG ?? '/dev/termination-log', encodeReport(report));
  } catch {
    // What is in the log has to do.
  }
}
