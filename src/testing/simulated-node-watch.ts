import type { NodeFacts } from '../domain/observed.js';
import type { Setting } from './simulated-process.js';

const READ = 20;
const REFRESH = 5_000;

/** What a process knows of nodes: read a moment after they were asked for, and every few seconds after that. */
export class SimulatedNodeWatch {
  readonly facts = new Map<string, NodeFacts>();
  readonly #asked = new Map<string, number>();

  constructor(readonly setting: Setting) {}

  /** Has these nodes known from now on, and no others. Returns when there may be news of them. */
  ensure(names: readonly string[]): number | undefined {
    const { now } = this.setting.cluster;
    for (const name of [...this.#asked.keys()]) {
      if (names.includes(name)) continue;
      this.#asked.delete(name);
      this.facts.delete(name);
    }
    for (const name of names) if (!this.#asked.has(name)) this.#asked.set(name, now + READ);
    return names.length === 0 ? undefined : Math.max(now + 1, Math.min(...this.#asked.values()));
  }

  /** Reads what is due, if the API server can be reached. */
  read(): void {
    const { cluster, agents, calls, refusals } = this.setting;
    for (const [name, due] of this.#asked) {
      if (due > cluster.now) continue;
      this.#asked.set(name, cluster.now + REFRESH);
      const node = agents.nodes.get(name);
      if (!node || calls.isOut) continue;
      const sidecarRefusals = Object.fromEntries(
        Object.keys(this.setting.facts).map((step) => [step, 'no sidecars here']),
      );
      const { bootId } = node;
      const renewedAt = agents.beat(name);
      this.facts.set(name, { readAt: cluster.now, renewedAt, bootId, refusals: refusals[name] ?? {}, sidecarRefusals });
    }
  }
}
