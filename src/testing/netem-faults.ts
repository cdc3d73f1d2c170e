import type { Traffic } from '../faults/step.js';
import { arrived, type Echoes, type EchoPace, likeness, overtaken } from './echoes.js';
import { delayFigures, shareFigures } from './figures.js';

/** One figure, as it should be and as it was. */
export interface Finding {
  what: string;
  expected: string;
  measured: string;
  right: boolean;
}

/** Something netem does to packets, and how to see that it did. */
export interface NetemFault {
  name: string;
  does: Pick<Traffic, 'netem' | 'drop'>;
  /** The same for `tc qdisc add … netem`. */
  plain: string[];
  pace: EchoPace;
  /** Judges echoes whose packets met the fault so many times: once on one way, twice on both. */
  judge(echoes: Echoes, passes: number): Finding[];
}

const many: EchoPace = { count: 480, intervalSeconds: 0.005 };

/** All single faults of netem, and what they are told in one. */
export const netemFaults: NetemFault[] = [
  {
    name: 'a fixed delay',
    does: { netem: { delay: { latencyMilliseconds: 50 } } },
    plain: ['delay', '50ms'],
    pace: { count: 200, intervalSeconds: 0.01 },
    judge: (seen, passes) => [
      delay(seen, 50 * passes),
      least(seen, 50 * passes),
      share('lost', lost(seen), seen.sent, 0),
    ],
  },
  {
    name: 'a delay with jitter',
    does: { netem: { delay: { latencyMilliseconds: 50, jitterMilliseconds: 20 } } },
    plain: ['delay', '50ms', '20ms'],
    pace: { count: 300, intervalSeconds: 0.007 },
    // Uniform from 30 to 70 ms.
    judge: (seen, passes) => [
      delay(seen, 50 * passes),
      least(seen, 30 * passes),
      deviation(seen, (20 / Math.sqrt(3)) * Math.sqrt(passes)),
    ],
  },
  ...(['normal', 'pareto', 'paretonormal'] as const).map(
    (distribution): NetemFault => ({
      name: `a delay of the ${distribution} distribution`,
      does: { netem: { delay: { latencyMilliseconds: 60, jitterMilliseconds: 10, distribution } } },
      plain: ['delay', '60ms', '10ms', 'distribution', distribution],
      pace: { count: 300, intervalSeconds: 0.007 },
      judge: (seen, passes) => [delay(seen, 60 * passes), deviation(seen, 10 * Math.sqrt(passes))],
    }),
  ),
  {
    name: 'a delay with correlated jitter',
    does: { netem: { delay: { latencyMilliseconds: 30, jitterMilliseconds: 10, correlation: 0.75 } } },
    plain: ['delay', '30ms', '10ms', '75%'],
    // Far enough apart that none overtakes another, so that neighbours stay neighbours.
    pace: { count: 200, intervalSeconds: 0.022 },
    // netem's draw loses the correlation again, here as with plain tc, so that nothing can be expected of it.
    judge: (seen, passes) => [delay(seen, 30 * passes), { ...alike(arrived(seen)), expected: '', right: true }],
  },
  {
    name: 'loss by nft',
    does: { drop: 0.2 },
    plain: ['loss', '20%'],
    pace: many,
    judge: (seen, passes) => [share('lost', lost(seen), seen.sent, 1 - 0.8 ** passes)],
  },
  {
    name: 'loss',
    does: { netem: { loss: { share: 0.2 } } },
    plain: ['loss', '20%'],
    pace: many,
    judge: (seen, passes) => [share('lost', lost(seen), seen.sent, 1 - 0.8 ** passes)],
  },
  {
    name: 'correlated loss',
    does: { netem: { loss: { share: 0.2, correlation: 0.5 } } },
    plain: ['loss', 'gemodel', '10%', '40%'],
    pace: many,
    judge: (seen, passes) => [
      // Runs of lost packets tell as much as fewer independent ones: (1 + r) / (1 - r) times the variance.
      share('lost', lost(seen), seen.sent, 1 - 0.8 ** passes, 3),
      alike(seen.times.map((time) => (time === undefined ? 1 : 0))),
    ],
  },
  {
    name: 'duplicates',
    does: { netem: { duplicate: { share: 0.3 } } },
    plain: ['duplicate', '30%'],
    pace: many,
    // An answer to a duplicate is duplicated on the way back itself.
    judge: (seen, passes) => [share('twice', seen.duplicates, seen.sent, 1.3 ** passes - 1, 2)],
  },
  {
    name: 'corruption',
    does: { netem: { corrupt: { share: 0.2 } } },
    plain: ['corrupt', '20%'],
    // With so many bytes nearly every flipped bit is in one that a checksum covers, so that the packet is dropped.
    pace: { ...many, bytes: 1_000 },
    judge: (seen, passes) => [share('lost', lost(seen), seen.sent, 1 - 0.8 ** passes, 1.5)],
  },
  {
    name: 'reordering',
    does: { netem: { delay: { latencyMilliseconds: 30 }, reorder: { share: 0.25 } } },
    plain: ['delay', '30ms', 'reorder', '25%'],
    pace: many,
    judge: (seen, passes) => ahead(seen, 1 - 0.75 ** passes, 30 * passes - 15),
  },
  {
    name: 'reordering with a gap',
    does: { netem: { delay: { latencyMilliseconds: 30 }, reorder: { share: 1, gap: 5 } } },
    plain: ['delay', '30ms', 'reorder', '100%', 'gap', '5'],
    pace: many,
    // It counts instead of drawing: which packets go first on the way back depends on which did on the way there.
    judge: (seen, passes) => ahead(seen, passes === 1 ? 0.2 : 0.3, 30 * passes - 15),
  },
  {
    name: 'delay, jitter, loss and duplicates at once',
    does: {
      netem: {
        delay: { latencyMilliseconds: 40, jitterMilliseconds: 5, distribution: 'normal' },
        loss: { share: 0.1 },
        duplicate: { share: 0.1 },
      },
    },
    plain: ['delay', '40ms', '5ms', 'distribution', 'normal', 'loss', '10%', 'duplicate', '10%'],
    pace: many,
    judge: (seen, passes) => [
      delay(seen, 40 * passes),
      deviation(seen, 5 * Math.sqrt(passes)),
      // A packet that is picked for both is sent once.
      share('lost', lost(seen), seen.sent, 1 - 0.91 ** passes),
    ],
  },
];

function delay(seen: Echoes, expected: number): Finding {
  const { mean, p50, p99 } = delayFigures(arrived(seen));
  return {
    what: 'delay: mean, p50, p99',
    expected: `${expected} ms`,
    measured: `${[mean, p50, p99].map((each) => each.toFixed(1)).join(', ')} ms`,
    // A virtual machine without KVM is late when it has no processor; it is never early.
    right: p50 >= 0.85 * expected && p50 <= 1.4 * expected + 5,
  };
}

function least(seen: Echoes, expected: number): Finding {
  const minimum = Math.min(...arrived(seen));
  return {
    what: 'least delay',
    expected: `≥ ${expected} ms`,
    measured: `${minimum} ms`,
    right: minimum >= expected - 0.5,
  };
}

function deviation(seen: Echoes, expected: number): Finding {
  const found = delayFigures(arrived(seen)).deviation;
  return {
    what: "delay's standard deviation",
    expected: `${expected.toFixed(1)} ms`,
    measured: `${found.toFixed(1)} ms`,
    right: found > 0.6 * expected && found < 2 * expected + 15,
  };
}

function lost(seen: Echoes): number {
  return seen.sent - arrived(seen).length;
}

/** Right within 5 standard deviations, one failure in a million; `widening` times as much for what is not a plain share. */
function share(what: string, hits: number, trials: number, expected: number, widening = 1): Finding {
  const { low, high } = shareFigures(Math.min(hits, trials), trials);
  const slack = widening * 5 * Math.sqrt((expected * Math.max(1 - expected, 0.2)) / trials);
  const percent = (value: number) => `${(100 * value).toFixed(1)} %`;
  return {
    what: `${what}, with the 95 % interval`,
    expected: percent(expected),
    measured: `${percent(hits / trials)} (${percent(low)}–${percent(high)})`,
    right: Math.abs(hits / trials - expected) <= slack,
  };
}

function alike(values: readonly number[]): Finding {
  const found = likeness(values);
  return { what: 'correlation with the next', expected: '> 0.2', measured: found.toFixed(2), right: found > 0.2 };
}

function ahead(seen: Echoes, expected: number, milliseconds: number): Finding[] {
  const times = arrived(seen);
  const early = times.filter((time) => time < milliseconds).length;
  return [
    share('not delayed', early, times.length, expected, 1.5),
    { what: 'overtaken', expected: '> 0', measured: String(overtaken(seen)), right: overtaken(seen) > 0 },
  ];
}
