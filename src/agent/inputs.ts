import type { Peers } from '../api/peers.js';
import type { AgentStep } from '../faults/step.js';
import type { KubeObject } from '../kubernetes/resource.js';
import { type Addresses, type Inputs, RefusedError } from './handler.js';
import { kubeletExemptions } from './kubelet-exemptions.js';
import { PeerAddresses, type PeerOptions } from './peers.js';
import type { Place, RunProgram } from './place.js';

/** Finds what the steps of one injection depend on, once for all of its targets. */
export class InjectionInputs {
  readonly #options: PeerOptions;
  readonly #run: RunProgram;
  readonly #peers = new Map<string, PeerAddresses>();
  readonly #exempt = new Map<string, Promise<Inputs['exempt']>>();

  constructor(options: PeerOptions & { run: RunProgram }) {
    this.#options = options;
    this.#run = options.run;
  }

  /**
   * What a step depends on now.
   * @param isFirst before it is put on: then peers that stand for no address at all are a mistake
   * @throws RefusedError when what is named is not there, and other errors when nobody can say
   */
  async of(step: AgentStep, place: Place, pod: KubeObject, isFirst = false): Promise<Inputs> {
    if (!('match' in step)) return { exempt: [] };
    const { peers, except, includeKubelet } = step.match;
    const [found, spared, exempt] = await Promise.all([
      peers && this.#addresses(peers),
      except && this.#addresses(except),
      includeKubelet ? [] : this.#exemptions(place, pod),
    ]);
    if (isFirst && found && found.ranges.length + found.endpoints.length === 0) {
      throw new RefusedError(
        'the peers stand for no address at present, so that no traffic would be hit: see what `peers` names',
      );
    }
    return { ...(found && { peers: found }), ...(spared && { except: spared }), exempt };
  }

  #addresses(peers: Peers): Promise<Addresses> {
    const key = JSON.stringify(peers);
    const known = this.#peers.get(key) ?? new PeerAddresses(peers, this.#options);
    this.#peers.set(key, known);
    return known.current();
  }

  /** Neither a pod's probes nor the node's route to it change while it has its addresses. */
  #exemptions({ podIPs }: Place, pod: KubeObject): Promise<Inputs['exempt']> {
    const key = `${pod.metadata.uid} ${podIPs.join(' ')}`;
    const known = this.#exempt.get(key) ?? kubeletExemptions(pod, podIPs, this.#run);
    this.#exempt.set(key, known);
    known.catch(() => this.#exempt.delete(key));
    return known;
  }
}
