import type { Peers } from '../api/peers.js';
import type { Client } from '../kubernetes/client.js';
import { peerAddresses } from '../kubernetes/peer-addresses.js';
import { FreshAddresses, type FreshOptions } from './fresh-addresses.js';

/** How {@link PeerAddresses} are made. */
export interface PeerOptions extends Omit<FreshOptions, 'find'> {
  client: Client;
  /** The namespace of peers that name none: the run's. */
  namespace: string;
}

/** Finds the addresses that named peers stand for, and keeps them up to date for as long as somebody asks. */
export class PeerAddresses extends FreshAddresses {
  constructor(peers: Peers, { client, namespace, ...options }: PeerOptions) {
    super(peers.hosts ?? [], { ...options, find: () => peerAddresses(client, namespace, peers) });
  }
}
