import type { Sighting } from './handler.js';

/** What was seen of several steps on one target, as one. */
export function together(sightings: readonly Sighting[]): Sighting {
  const evidence: Record<string, number> = {};
  for (const sighting of sightings) {
    for (const [field, value] of Object.entries(sighting.evidence)) evidence[field] = (evidence[field] ?? 0) + value;
  }
  const drift = sightings.find((sighting) => sighting.drift !== undefined)?.drift;
  const effective = sightings.some((sighting) => sighting.effective);
  return { ...(drift !== undefined && { drift }), evidence, effective };
}
