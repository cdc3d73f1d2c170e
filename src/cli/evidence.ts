import type { Evidence } from '../api/injection.js';

type Counter = keyof Evidence;

/** In the order of what says most; bytes add nothing to packets. */
const counters: readonly [kind: Counter, one: string, many: string][] = [
  ['packets', 'packet', 'packets'],
  ['connections', 'connection', 'connections'],
  ['connectionsCut', 'cut', 'cut'],
  ['processes', 'process', 'processes'],
  ['exempted', 'spared', 'spared'],
];
/** These are only worth a word when there are any. */
const quiet: ReadonlySet<Counter> = new Set(['connectionsCut', 'exempted']);

/** What shows that a fault was on, in words such as `1,204 packets, 12 spared`; empty when nothing was counted. */
export function evidenceWords(evidence: Evidence = {}): string {
  return counters
    .flatMap(([kind, one, many]) => {
      const count = evidence[kind];
      if (count === undefined || (count === 0 && quiet.has(kind))) return [];
      return [`${count.toLocaleString('en-US')} ${count === 1 ? one : many}`];
    })
    .join(', ');
}
