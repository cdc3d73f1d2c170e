import { duration, enumeration, type Infer, integer, object, optional, string } from '../api/schema.js';
import { parseDuration } from '../stats/duration.js';
import type { Abilities, Ability } from './abilities.js';
import { lacking } from './abilities.js';
import { type AgentPlan, fault } from './fault.js';
import type { Netem, TcpDelay, Traffic } from './step.js';
import { matchFields, matchOf, matchProblems, refusalFor } from './traffic-fields.js';

/** The longest delay of a packet. */
const MAX_LATENCY = '60s';
const ratePattern = '^[0-9]{1,9}([.][0-9]{1,3})?(Kbit|Mbit|Gbit)$';

const sharePattern = '^([0-9]{1,2}([.][0-9]{1,4})?|100)%$';

const share = (of: string) =>
  string(`share of the packets that are ${of}, such as \`5%\` or \`0.1%\`; above 0%, in steps of 0.0001%.`, {
    max: 8,
    min: 2,
    pattern: sharePattern,
    rules: [
      {
        rule: `!self.matches('${sharePattern}') || self.matches('[1-9]')`,
        message: 'must be more than 0%',
      },
    ],
  });

const correlation = (of: string, hint = '') =>
  optional(
    integer(
      `correlation of each packet's ${of} with that of the packet before it, in percent from 0 to 99.${hint} Left out: 0, each packet by itself.`,
      { min: 0, max: 99 },
    ),
  );

const delay = object(
  "delay of each packet. Where a node's kernel has no netem, a proxy in userspace delays TCP connections to listed `peers` instead: only those opened while the fault is on; what is still open 10s after its end is reset and counted in `connectionsCut`.",
  {
    latency: duration('latency that is added, up to 60s, such as `100ms` or `0.5ms`.', { max: MAX_LATENCY }),
    jitter: optional(
      duration(
        'jitter by which the latency of each packet differs at random, up or down, not longer than `latency`. Where it is longer than the time between two packets they overtake each other, as on a network with several paths. Left out: none.',
        { max: MAX_LATENCY },
      ),
    ),
    correlation: correlation(
      'jitter',
      " Linux's netem draws from it in a way that loses nearly all of it where the jitter is below a second.",
    ),
    distribution: optional(
      enumeration(
        'distribution of the jitter, whose standard deviation it is then; pareto and paretonormal have a long tail. Left out: uniform.',
        ['normal', 'pareto', 'paretonormal'],
      ),
    ),
  },
  [
    {
      rule: '!has(self.jitter) || duration(self.jitter) <= duration(self.latency)',
      message: 'must not be longer than `latency`',
      fieldPath: '.jitter',
    },
    {
      rule: 'has(self.jitter) || (!has(self.correlation) && !has(self.distribution))',
      message: '`correlation` and `distribution` may only be given with `jitter`',
    },
  ],
);

const rate = string(
  'rate that all packets of one direction together get at most, in bits a second: a number with the unit Kbit, Mbit or Gbit (1,000, 10^6, 10^9), from `8Kbit` to `10Gbit`. A quarter of a second waits, what is more is lost, as at a router. Left out: no limit.',
  {
    max: 16,
    min: 5,
    pattern: ratePattern,
    rules: [
      {
        rule: `!self.matches('${ratePattern}') || double(self.substring(0, self.size() - 4)) * (self.endsWith('Kbit') ? 1.0 : self.endsWith('Mbit') ? 1000.0 : 1000000.0) >= 8.0`,
        message: "must be at least '8Kbit'",
      },
      {
        rule: `!self.matches('${ratePattern}') || double(self.substring(0, self.size() - 4)) * (self.endsWith('Kbit') ? 1.0 : self.endsWith('Mbit') ? 1000.0 : 1000000.0) <= 10000000.0`,
        message: "must be at most '10Gbit'",
      },
    ],
  },
);

const effects = {
  delay: optional(delay),
  loss: optional(
    object('loss of packets, of which nobody is told.', { share: share('lost'), correlation: correlation('fate') }),
  ),
  duplicate: optional(object('duplicate sends packets twice.', { share: share('sent twice') })),
  corrupt: optional(
    object('corrupt flips one bit of packets, at a random place; most of these are thrown away by their receiver.', {
      share: share('corrupted'),
    }),
  ),
  reorder: optional(
    object('reorder lets packets pass those that wait for their `delay`: they are sent without it.', {
      share: share('sent at once'),
      gap: optional(
        integer('gap lets only every so many-th packet be sent at once, with this chance. Left out: any.', {
          min: 1,
          max: 1_000_000,
        }),
      ),
    }),
  ),
  rate: optional(rate),
};

const schema = object(
  'network makes the network of the targets worse; all that is given happens together, to the packets that the fields below choose. Packets are lost, delayed and limited for each direction by itself: with `direction: Both` a round trip meets it twice.',
  { ...effects, ...matchFields('Egress') },
  [
    {
      rule: `[${Object.keys(effects)
        .map((name) => `has(self.${name})`)
        .join(', ')}].exists(given, given)`,
      message: `at least one of ${Object.keys(effects)
        .map((name) => `\`${name}\``)
        .join(', ')} must be given`,
    },
    {
      rule: '!has(self.reorder) || has(self.delay)',
      message: 'may only be given with `delay`: packets overtake those that wait',
      fieldPath: '.reorder',
    },
  ],
);

type Params = Infer<typeof schema>;

/** Makes the network of targets slow, lossy or narrow. */
export const network = fault({
  name: 'network',
  summary: "Delays, loses, limits, duplicates, corrupts or reorders the targets' packets.",
  schema,
  rules: [],
  example: { direction: 'Egress', includeKubelet: false, delay: { latency: '100ms', jitter: '20ms' } },
  targets: ['pods'],
  disrupts: false,
  oneShot: false,
  by: 'Agent',
  sidecar: true,
  needs: [],
  check: (params) => matchProblems('network', params),
  plan,
});

function plan(params: Params, abilities: Abilities): AgentPlan {
  const step = trafficOf(params);
  const refusal = refusalFor(abilities, needed(step), helpFor(step));
  if (refusal === undefined) return { steps: [step] };
  const proxied = proxiedDelay(params);
  if (proxied && lacking(abilities, ['nft', 'redirect']) === undefined) return { steps: [proxied] };
  return { refusal };
}

function helpFor({ netem }: Traffic): string {
  if (!netem) return 'choose pods on a node with another kernel';
  const isDelay = Object.keys(netem).every((effect) => effect === 'delay');
  return isDelay
    ? 'without netem only TCP can be delayed: give `delay` with nothing but `latency` and `jitter`, `direction: Egress`, `peers`, and TCP `ports` or Services as peers'
    : 'without netem there are `rate`, `loss` without correlation, and `partition`';
}

function trafficOf(params: Params): Traffic {
  const { loss, rate: text } = params;
  const isCorrelated = (loss?.correlation ?? 0) > 0;
  const netem = netemOf(params, isCorrelated);
  return {
    do: 'traffic',
    match: matchOf(params),
    ...(loss && !isCorrelated && { drop: parseShare(loss.share) }),
    ...(text !== undefined && { rateBitsPerSecond: parseRate(text) }),
    ...(Object.keys(netem).length > 0 && { netem }),
  };
}

function netemOf(params: Params, withLoss: boolean): Netem {
  const { delay: wanted, loss, duplicate, corrupt, reorder } = params;
  return {
    ...(wanted && { delay: delayOf(wanted) }),
    ...(loss && withLoss && { loss: { share: parseShare(loss.share), correlation: (loss.correlation ?? 0) / 100 } }),
    ...(duplicate && { duplicate: { share: parseShare(duplicate.share) } }),
    ...(corrupt && { corrupt: { share: parseShare(corrupt.share) } }),
    ...(reorder && {
      reorder: { share: parseShare(reorder.share), ...(reorder.gap !== undefined && { gap: reorder.gap }) },
    }),
  };
}

function delayOf({ latency, jitter, correlation: likeness, distribution }: Infer<typeof delay>): Netem['delay'] {
  return {
    latencyMilliseconds: parseDuration(latency),
    ...(jitter !== undefined && { jitterMilliseconds: parseDuration(jitter) }),
    ...(likeness !== undefined && likeness > 0 && { correlation: likeness / 100 }),
    ...(distribution && { distribution }),
  };
}

/** `5%` as 0.05. */
function parseShare(text: string): number {
  return Number(text.slice(0, -1)) / 100;
}

/** `10Mbit` in bits a second. */
function parseRate(text: string): number {
  const units: Record<string, number> = { Kbit: 1e3, Mbit: 1e6, Gbit: 1e9 };
  return Number(text.slice(0, -4)) * (units[text.slice(-4)] ?? Number.NaN);
}

function needed({ match, drop, netem, rateBitsPerSecond }: Traffic): Ability[] {
  const isShaped = netem !== undefined || rateBitsPerSecond !== undefined;
  const usesClasses = isShaped || (drop !== undefined && match.direction !== 'Ingress');
  return [
    'nft',
    ...(usesClasses ? (['htb'] as const) : []),
    ...(netem ? (['netem'] as const) : []),
    ...(isShaped && match.direction !== 'Egress' ? (['ifb'] as const) : []),
  ];
}

/** The same by a proxy in userspace; undefined when that can't do it. */
function proxiedDelay(params: Params): TcpDelay | undefined {
  const { delay: wanted, peers, ports, direction } = params;
  const others = Object.keys(effects).filter((name) => name !== 'delay' && name in params);
  if (!wanted || others.length > 0 || direction !== 'Egress' || !peers) return undefined;
  if (wanted.distribution || (wanted.correlation ?? 0) > 0) return undefined;
  const havePorts = ports !== undefined || Object.keys(peers).every((kind) => kind === 'services');
  const allTcp = (ports ?? []).every(({ protocol = 'TCP' }) => protocol === 'TCP');
  if (!havePorts || !allTcp) return undefined;
  return {
    do: 'tcpDelay',
    match: matchOf(params),
    latencyMilliseconds: parseDuration(wanted.latency),
    ...(wanted.jitter !== undefined && { jitterMilliseconds: parseDuration(wanted.jitter) }),
  };
}
