import type { Finding } from '../api/experiment-run.js';
import { type Reason, reasons, type Verdict } from '../api/reasons.js';

/** The gravest first: what may still be broken, then what was learnt, then why nothing was. */
const precedence: ((reason: Reason) => boolean)[] = [
  (reason) => 'cleanup' in reasons[reason],
  (reason) => reasons[reason].verdict === 'Failed',
  (reason) => reasons[reason].verdict === 'Aborted',
  (reason) => reasons[reason].verdict === 'Error',
  (reason) => reasons[reason].verdict === 'Inconclusive',
];

/** The finding that decides the verdict; undefined when nothing speaks against a pass. */
export function gravest(findings: readonly Finding[]): Finding | undefined {
  for (const isOf of precedence) {
    const found = findings.find(({ reason }) => isOf(reason));
    if (found) return found;
  }
  return undefined;
}

/** The verdict that findings lead to. */
export function verdictOf(findings: readonly Finding[]): { verdict: Verdict; reason: Reason } {
  const reason = gravest(findings)?.reason ?? 'HypothesisHeld';
  return { verdict: reasons[reason].verdict, reason };
}
