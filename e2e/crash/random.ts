/** Numbers from 0 to below 1 that depend only on the seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `first` to `last`. */
export function between(random: () => number, first: number, last: number): number {
  return first + Math.floor(random() * (last - first + 1));
}

/**
 * Works on tasks side by side, each in the next lane that is free.
 * @returns what came of them, in no order
 */
export async function inLanes<Lane, Result>(
  lanes: readonly Lane[],
  tasks: readonly ((lane: Lane) => Promise<Result>)[],
): Promise<Result[]> {
  const left = [...tasks];
  const results: Result[] = [];
  const work = async (lane: Lane) => {
    for (let task = left.shift(); task; task = left.shift()) results.push(await task(lane));
  };
  await Promise.all(lanes.map(work));
  return results;
}
