/**
 * Measures several subjects in every round, each time beginning with another one, so that neither drift of the machine
 * nor the order favours one of them. Returns the values by subject, in the order of the rounds.
 */
export async function inTurn<Subject, Name extends string, Value = number>(
  rounds: number,
  subjects: Readonly<Record<Name, Subject>>,
  measure: (subject: Subject) => Promise<Value>,
): Promise<Record<Name, Value[]>> {
  const names = Object.keys(subjects) as Name[];
  const values = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, Value[]>;
  for (let round = 0; round < rounds; round += 1) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      values[name].push(await measure(subjects[name]));
    }
  }
  return values;
}

/** Milliseconds until the work is done. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

/** Waits. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
