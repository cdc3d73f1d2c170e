import { type Infer, object, optional, string } from './schema.js';

const comparison = '(<=|>=|<|>|==) ?';
const latency = (name: string) =>
  optional(
    string(
      `${name} is a limit such as \`< 300ms\` on that quantile of the latencies, measured from the intended send time. Left out: not judged.`,
      { max: 24, pattern: `^${comparison}[0-9]+(\\.[0-9]+)?(us|ms|s)$` },
    ),
  );

/** What must hold of a probe's samples. */
export const expectation = object(
  'expect says what must hold of the samples of every stage the probe is asked for.',
  {
    successRate: optional(
      string(
        'successRate is a limit such as `>= 99%` on the share of samples that succeeded. Left out: every sample must succeed when there is no other limit (`that` and a plain probe); with latencies or `consecutiveFailures` only these are judged.',
        { max: 24, pattern: `^${comparison}([0-9]|[1-9][0-9]|100)(\\.[0-9]+)?%$` },
      ),
    ),
    latencyP50: latency('latencyP50'),
    latencyP95: latency('latencyP95'),
    latencyP99: latency('latencyP99'),
    consecutiveFailures: optional(
      string(
        'consecutiveFailures is a limit such as `<= 3` on the longest row of failed samples. Left out: not judged.',
        { max: 24, pattern: '^(<=|<) ?[0-9]+$' },
      ),
    ),
    that: optional(
      string(
        'that is a CEL expression that must be true for a sample to succeed: over `object` when the probe names one, over `objects` when it reads a list. Only for `resource` probes.',
        { max: 1024, min: 1 },
      ),
    ),
  },
  [
    {
      rule: 'has(self.successRate) || has(self.latencyP50) || has(self.latencyP95) || has(self.latencyP99) || has(self.consecutiveFailures) || has(self.that)',
      message:
        'must expect something: `successRate`, `latencyP50`, `latencyP95`, `latencyP99`, `consecutiveFailures` or `that`',
    },
  ],
);

/** What must hold of a probe's samples. */
export type Expectation = Infer<typeof expectation>;
