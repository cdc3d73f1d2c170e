import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { encodeOrder, parseReport, type SidecarOrder, type SidecarReport } from '../faults/sidecar.js';
import type { Traffic } from '../faults/step.js';
import { type Bundled, bundled } from './bundled.js';
import type { NetworkPods } from './network-pods.js';
import { until } from './scripted-server.js';

/** A sidecar in the network namespace of a test's pod. */
export interface TestSidecar {
  readonly child: ChildProcess;
  /** All it has said so far. */
  readonly reports: readonly SidecarReport[];
  /** Resolves when its fault is on. @throws Error when it ends before */
  on(): Promise<SidecarReport>;
  /** What it left as its termination message, once it has ended by itself. */
  ended(): Promise<{ code: number | null; message: string; report: SidecarReport | undefined }>;
}

/** Starts sidecars in a test's pod as the runtime does: in its network namespace, with nothing but their arguments. */
export class Sidecars {
  readonly #program: Bundled;
  readonly #pods: NetworkPods;
  readonly #children: ChildProcess[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'squall-sidecar-'));

  private constructor(program: Bundled, pods: NetworkPods) {
    this.#program = program;
    this.#pods = pods;
  }

  static async in(pods: NetworkPods): Promise<Sidecars> {
    return new Sidecars(await bundled('sidecar-program.ts'), pods);
  }

  /** An order for the pod; a minute long and to be begun within a minute unless told. */
  order(step: Traffic, more: Partial<SidecarOrder> = {}): SidecarOrder {
    const { pod, podIPs } = this.#pods.place;
    return {
      pod,
      podIPs: [...podIPs],
      hostIPs: ['192.0.2.1'],
      probePorts: [],
      steps: [{ id: '51decaf0', step }],
      milliseconds: 60_000,
      startBy: Date.now() + 60_000,
      onDrift: 'Reapply',
      drifts: 0,
      ...more,
    };
  }

  /** Starts one, in the pod's network namespace unless told otherwise. */
  start(
    what: 'hold' | 'revert' | 'revert alone',
    order: SidecarOrder,
    pid: number = this.#pods.pod.space.pid,
  ): TestSidecar {
    const messages = join(this.#folder, String(this.#children.length));
    const [verb = '', alone] = what.split(' ');
    const args = [this.#program.file, 'sidecar', verb, '--fault', encodeOrder(order), ...(alone ? ['--alone'] : [])];
    const child = spawn('nsenter', [`--net=/proc/${pid}/ns/net`, '--', process.execPath, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { SQUALL_TERMINATION_LOG: messages },
    });
    this.#children.push(child);
    const closed = once(child, 'close');
    const reports: SidecarReport[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => {
      const report = parseReport(line);
      if (!report) throw new Error(`a sidecar said '${line}', which is no report`);
      reports.push(report);
    });
    return {
      child,
      reports,
      on: async () => {
        await until(() => reports.length > 0, 'the sidecar to say something', 10_000);
        if (reports[0]?.end) throw new Error(`the sidecar ended: ${JSON.stringify(reports[0])}`);
        return reports[0] as SidecarReport;
      },
      ended: async () => {
        await closed;
        const message = readFileSync(messages, 'utf8');
        return { code: child.exitCode, message, report: parseReport(message) };
      },
    };
  }

  /** Ends all of them at once. */
  async stop(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    this.#program.remove();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
