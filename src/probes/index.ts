import { http } from './http.js';
import type { Probe } from './probe.js';
import { resource } from './resource.js';

/** Every probe that works, in the order of the documentation. */
export const probes: readonly Probe[] = [
  http, // what a caller sees
  resource, // what the API server says
];

/**
 * The probe that a hypothesis entry asks for, with its fields.
 *
 * @throws Error when it asks for none: its schema should have made that impossible
 */
export function probeOf(entry: object): { probe: Probe; spec: unknown } {
  for (const probe of probes) {
    const spec = (entry as Record<string, unknown>)[probe.name];
    if (spec !== undefined) return { probe, spec };
  }
  throw new Error(`asks for no probe this version knows: ${probes.map(({ name }) => name).join(', ')}`);
}
