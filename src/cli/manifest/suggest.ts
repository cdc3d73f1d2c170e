/**
 * The candidate that was probably meant: few edits away (a swap of neighbours counts as one), upper and lower case
 * aside, or else the only one that contains it; undefined when none is near.
 */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) > limit) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance <= limit && (best === undefined || distance < best.distance)) best = { candidate, distance };
  }
  return best?.candidate ?? containing(word, [...candidates]);
}

/** `KILL` for `SIGKILL`; shorter words are in too many others. */
function containing(word: string, candidates: readonly string[]): string | undefined {
  if (word.length < 3) return undefined;
  const found = candidates.filter((candidate) => candidate.toLowerCase().includes(word.toLowerCase()));
  return found.length === 1 ? found[0] : undefined;
}

/** Optimal string alignment: inserts, deletes, replacements and swaps of neighbours. */
function editDistance(left: string, right: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const cost = left[row - 1] === right[column - 1] ? 0 : 1;
      const edits = [at(previous, column) + 1, at(current, column - 1) + 1, at(previous, column - 1) + cost];
      const swapped = left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
      if (swapped && row > 1 && column > 1) edits.push(at(beforePrevious, column - 2) + 1);
      current.push(Math.min(...edits));
    }
    beforePrevious = previous;
    previous = current;
  }
  return at(previous, right.length);
}

function at(row: number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
