import type { StepStatus } from '../api/experiment-run.js';
import type { Evidence, Progress } from '../api/injection.js';

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
function evidenceWords(evidence: Evidence = {}): string {
  return counters
    .flatMap(([kind, one, many]) => {
      const count = evidence[kind];
      if (count === undefined || (count === 0 && quiet.has(kind))) return [];
      return [`${count.toLocaleString('en-US')} ${count === 1 ? one : many}`];
    })
    .join(', ');
}

/** What a step has shown so far, in words: what was counted, and how far it is when it takes its time. */
export function shownWords({ evidence, progress }: Pick<StepStatus, 'evidence' | 'progress'>): string {
  return [evidenceWords(evidence), progress ? progressWords(progress) : ''].filter(Boolean).join(', ');
}

function progressWords({ done, total, refused }: Progress): string {
  return `${done} of ${total} pods gone${refused > 0 ? `, ${refused} held back` : ''}`;
}
