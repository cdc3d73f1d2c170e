import { fileURLToPath } from 'node:url';
import type { Evidence } from '../../api/injection.js';
import type { PortRange } from '../../api/peers.js';
import type { TcpDelay } from '../../faults/step.js';
import { type Handler, type Inputs, RefusedError, type Sighting, TargetGoneError } from '../handler.js';
import type { Place } from '../place.js';
import { ProxyChild } from './child.js';
import type { Destination } from './connection.js';
import { destinationsOf } from './destinations.js';
import { ProxyProcesses } from './processes.js';
import { PROXY_UID, type Times, times as usualTimes } from './protocol.js';
import type { Counters, Listening } from './proxy.js';
import { type Family, familyOf } from './redirect.js';
import { Redirects } from './redirects.js';

/** What is written to disk before a proxy is started. */
export interface TcpDelayUndo {
  id: string;
  latencyMilliseconds: number;
  jitterMilliseconds: number;
  ports?: PortRange[];
  /** Those of the target's addresses. */
  families: Family[];
}

/** How a {@link TcpDelayHandler} is made. */
export interface TcpDelayHandlerOptions {
  /** The bundle of `program.ts`; it lies beside the agent's. */
  program?: string;
  /** A procfs that shows the processes of this agent and of those before it. */
  procRoot?: string;
  times?: Times;
}

/** A proxy of this process. */
interface Held {
  child: ProxyChild;
  /** Connections cut by those it replaced. */
  cutBefore: number;
}

/** A proxy takes 43 MiB (35 of it shared with other ones), 13 KiB for each connection, and 250 MiB at the very most. */
const MEMORY_BYTES = 64 * 1024 * 1024;

/**
 * Delays TCP connections to listed peers by a proxy in userspace, which runs in the target's network namespace under a
 * user of its own. nft redirects to it for 15 s at a time what any other user opens. What that means for people:
 *
 * - Only connections that are opened while the fault is on are hit, up to 8,000 at a time for each target.
 * - A connection succeeds at once for the target and is delayed from then on; where the peer refuses or is not to be
 *   reached, it is reset then. A peer sees it come from another port.
 * - At the end the delay stops at once; connections have 10 s to finish, and are reset then: `connectionsCut`.
 * - When the agent dies, the delay stops at once; when the proxy dies with it, new connections are refused for up to
 *   15 s. The agent alone redirects nothing more as soon as its proxy has died.
 */
export class TcpDelayHandler implements Handler<TcpDelay, TcpDelayUndo> {
  readonly #held = new Map<string, Held>();
  readonly #processes: ProxyProcesses;
  readonly #program: string;
  readonly #times: Times;

  constructor({
    program = fileURLToPath(new URL('./tcp-delay.js', import.meta.url)),
    procRoot = '/proc',
    times = usualTimes,
  }: TcpDelayHandlerOptions = {}) {
    this.#times = times;
    this.#program = program;
    this.#processes = new ProxyProcesses(procRoot);
  }

  async prepare(step: TcpDelay, place: Place, id: string, inputs: Inputs): Promise<TcpDelayUndo> {
    const { match, latencyMilliseconds, jitterMilliseconds = 0 } = step;
    if (match.direction !== 'Egress' || match.device !== undefined || match.except !== undefined) {
      throw new RefusedError(
        'without netem only `direction: Egress` can be delayed, on any device and with no `except`',
      );
    }
    const families = [...new Set(place.podIPs.map(familyOf))];
    const undo = { id, latencyMilliseconds, jitterMilliseconds, ...(match.ports && { ports: match.ports }), families };
    const wanted = wantedBy(undo, inputs);
    if (process.availableMemory() < MEMORY_BYTES) {
      throw new RefusedError(
        `the agent's memory limit leaves no room for a proxy that delays, which takes ${MEMORY_BYTES >> 20} MiB; raise it, or choose fewer targets on this node`,
      );
    }
    const taken = await this.#redirects(place, undo).takenByOthers(wanted);
    if (taken) {
      throw new RefusedError(`connections to ${taken.address} port ${taken.port} are delayed by another fault already`);
    }
    return undo;
  }

  async apply(undo: TcpDelayUndo, place: Place, inputs: Inputs): Promise<void> {
    const wanted = wantedBy(undo, inputs);
    const redirects = this.#redirects(place, undo);
    const held = this.#running(undo.id) ?? this.#start(undo, place, redirects);
    let listening: Listening[];
    try {
      ({ listening } = await held.child.listen(wanted));
    } catch (error) {
      held.child.kill('SIGKILL');
      throw new Error(`the proxy that delays can't listen in the target: ${(error as Error).message}`);
    }
    await redirects.put(listening);
    await this.#endOthers(undo.id, held);
  }

  async hold(undo: TcpDelayUndo, place: Place, inputs: Inputs): Promise<Sighting> {
    const held = this.#held.get(undo.id);
    const status = held && (await this.#processes.status(held.child.pid, undo.id));
    const evidence = status ? evidenceOf(held.cutBefore, [status]) : {};
    const effective = (status?.connections ?? 0) > 0;
    const gone = (drift: string): Sighting => ({ drift, evidence, effective });
    if (!held) return gone('the proxy that delays was started by an agent that has ended');
    if (!status) return gone(`the proxy that delays is gone: ${held.child.end ?? 'its process is another one'}`);
    try {
      const { listening, mostConnections } = await held.child.listen(wantedBy(undo, inputs));
      // The rest of them go directly: refusing them would be another fault.
      await this.#redirects(place, undo).refresh(status.open < mostConnections ? listening : []);
    } catch (error) {
      return gone((error as Error).message);
    }
    return { evidence, effective };
  }

  async revert(undo: TcpDelayUndo, place: Place): Promise<Evidence> {
    const { id } = undo;
    const redirects = this.#redirects(place, undo);
    const isThere = await unlessGone(redirects.end());
    const held = this.#held.get(id);
    this.#held.delete(id);
    // Looking for all of them takes a moment on a full node; the delay of the one that is known ends now.
    held?.child.kill('SIGTERM');
    const statuses = await this.#end(await this.#processes.find(id), id);
    if (isThere) await unlessGone(redirects.remove());
    const left = await this.#processes.find(id);
    if (left.length > 0) throw new Error(`proxies are left: processes ${left.join(', ')}`);
    return evidenceOf(held?.cutBefore ?? 0, statuses);
  }

  #redirects(place: Place, { id, families }: TcpDelayUndo): Redirects {
    return new Redirects(place, { id, families, redirectSeconds: this.#times.redirectSeconds });
  }

  #end(pids: readonly number[], id: string) {
    return this.#processes.end(pids, id, this.#times.drainSeconds);
  }

  #running(id: string): Held | undefined {
    const held = this.#held.get(id);
    return held?.child.end === undefined ? held : undefined;
  }

  #start(undo: TcpDelayUndo, place: Place, redirects: Redirects): Held {
    const { id, latencyMilliseconds, jitterMilliseconds } = undo;
    const { networkNamespace } = place;
    const settings = { uid: PROXY_UID, networkNamespace, latencyMilliseconds, jitterMilliseconds, ...this.#times };
    const ended = () => {
      // Until it times out by itself, the map would send new connections where nobody listens. `hold` reports the rest.
      if (this.#held.get(id) === held) void redirects.end().catch(() => {});
    };
    const child = new ProxyChild(place.enter, this.#program, id, settings, ended);
    const held = { child, cutBefore: this.#held.get(id)?.cutBefore ?? 0 };
    this.#held.set(id, held);
    return held;
  }

  /** What an earlier agent started may drain, now that nothing is redirected to it any more. */
  async #endOthers(id: string, held: Held): Promise<void> {
    const others = (await this.#processes.find(id)).filter((pid) => pid !== held.child.pid);
    if (others.length === 0) return;
    const ending = this.#end(others, id).then((statuses) => {
      held.cutBefore += statuses.reduce((sum, { cut }) => sum + cut, 0);
    });
    // `revert` finds what could not be ended, and says so.
    ending.catch(() => {});
  }
}

/** Resolves to false when there is nothing left to be done there. */
async function unlessGone(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof TargetGoneError) return false;
    throw error;
  }
}

function wantedBy({ ports, families }: TcpDelayUndo, { peers, except }: Inputs): Destination[] {
  if (!peers || except) throw new RefusedError('without netem only traffic with listed `peers` can be delayed');
  return destinationsOf(ports, peers, families);
}

function evidenceOf(cutBefore: number, statuses: readonly Counters[]): Evidence {
  const sum = (field: 'connections' | 'cut') => statuses.reduce((total, status) => total + status[field], 0);
  return { connections: sum('connections'), connectionsCut: cutBefore + sum('cut') };
}
