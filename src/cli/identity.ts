import { hostname } from 'node:os';

/** An identity on a Lease: people recognize the host, and no two processes share one. */
export function newIdentity(): string {
  return `${hostname()}_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
}
