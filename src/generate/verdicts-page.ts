import { reasons, verdictMeanings, verdicts } from '../api/reasons.js';
import { exitCodes } from '../cli/io.js';
import { code, page, table } from './markdown.js';

/** What a run can end with, why, and what `squall run` exits with. */
export function verdictsPage(): string {
  const exits = [
    ...verdicts.map((verdict) => [String(exitCodes[verdict]), code(verdict), verdictMeanings[verdict]]),
    [String(exitCodes.Usage), '', 'Called wrongly, or a manifest is not valid: nothing was run.'],
  ].sort(([left], [right]) => Number(left) - Number(right));
  const rows = verdicts.flatMap((verdict) =>
    Object.entries(reasons)
      .filter(([, reason]) => reason.verdict === verdict)
      .map(([name, reason]) => [code(verdict), code(name), reason.meaning]),
  );
  return page('Verdicts', [
    'A finished run has one verdict in `status.verdict` and one word for it in `status.reason`. Only `Passed` says that the hypothesis holds; nothing that was not tested is ever a pass.',
    table(['verdict', 'reason', 'meaning'], rows),
    '## When several hold',
    'The gravest decides: something that may still be broken, then `Failed`, `Aborted`, other errors, `Inconclusive`. The others stay visible in `status.findings`.',
    '## Exit codes of `squall run`',
    table(['exit code', 'verdict', 'meaning'], exits),
    'With several runs the gravest code counts: 5, then 1, 4, 3 and 0.',
  ]);
}
