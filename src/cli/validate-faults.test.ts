import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { validateCommand } from './validate.js';

/** What `squall validate` says of an experiment whose only step has these lines. */
function validate(...step: string[]): Promise<{ code: number; said: string }> {
  const targets = step.some((line) => line.startsWith('targets:'))
    ? []
    : ['targets: {pods: {selector: {matchLabels: {app: web}}}}'];
  return validateSpec('method:', '  - name: step', ...[...targets, ...step].map((line) => `    ${line}`));
}

async function validateSpec(...lines: string[]): Promise<{ code: number; said: string }> {
  const head = [
    'apiVersion: squall.dev/v1alpha1',
    'kind: Experiment',
    'metadata: {name: one, namespace: shop}',
    'spec:',
  ];
  const manifest = [...head, ...lines.map((line) => `  ${line}`)].join('\n');
  let said = '';
  const out = { write: (text: string) => (said += text) };
  const io = { stdin: Readable.from([`${manifest}\n`]), stdout: out, stderr: out, color: false };
  return { code: await validateCommand(['-'], {}, io), said };
}

const network = 'network: {delay: {latency: 100ms}}';
const following = 'targets: {pods: {selector: {matchLabels: {app: web}}}, follow: true}';

describe('a step is valid', () => {
  const cases: string[][] = [
    ['podKill: {}'],
    [network, 'duration: 1m'],
    [network, 'duration: 1m', 'agent: Sidecar', 'onDrift: End', following],
    ['processPause: {}', 'duration: 1m', 'agent: Node', 'onDrift: Reapply'],
    ['containerKill: {}', 'agent: Auto'],
    ['podKill: {}', 'targets: {pods: {names: [web]}, follow: false}'],
  ];
  test.each(cases.map((lines) => [lines]))('%j', async (lines) => {
    expect(await validate(...lines)).toMatchObject({ code: 0 });
  });
});

describe('a step is refused, and why is said', () => {
  const cases: [string, string[], RegExp][] = [
    [
      'that lasts without a duration',
      [network],
      /`duration` must be given with a fault that lasts until it is taken back: .*`network`/,
    ],
    [
      'with an agent that nothing would be done by',
      ['podKill: {}', 'agent: Node'],
      /`agent` may only be given with a fault that agents carry out: .*`network`/,
    ],
    [
      'in a sidecar that sees no processes',
      ['processPause: {}', 'duration: 1m', 'agent: Sidecar'],
      /`agent: Sidecar` may only be asked for with .*: `network`/,
    ],
    [
      'with a reaction to what can not happen',
      ['containerKill: {}', 'onDrift: End'],
      /`onDrift` may only be given with a fault that agents keep up: /,
    ],
    [
      'that follows what is over at once',
      ['podKill: {}', following],
      /`follow` may only be set with a fault that agents keep up: /,
    ],
  ];
  test.each(cases)('%s', async (_, lines, expected) => {
    const { code, said } = await validate(...lines);
    expect(said).toMatch(expected);
    expect(code).toBe(2);
  });
});

const traffic = (fields: string) => [`network: {${fields}}`, 'duration: 1m'];
const delay = 'delay: {latency: 10ms, jitter: 5ms}';

describe('each of these is told of once, where it is', () => {
  const cases: [string[], string][] = [
    // Nothing, or more than everything.
    [traffic('delay: {latency: 0s}'), 'network.delay.latency: must be longer than 0s, is "0s"'],
    [traffic('delay: {latency: 100h}'), 'network.delay.latency: must be at most 60s, is "100h"'],
    [
      traffic('delay: {latency: -5ms}'),
      'network.delay.latency: must be a duration such as 250ms, 5m or 1h30m, is "-5ms"',
    ],
    [traffic('loss: {share: 101%}'), 'network.loss.share: "101%" does not match '],
    [traffic('loss: {share: 0%}'), 'network.loss.share: must be more than 0%, is "0%"'],
    [
      traffic('loss: {share: 5}'),
      'network.loss.share: must be text, is 5 (share of the packets that are lost, such as `5%`',
    ],
    [
      traffic('loss: {share: 5%, correlation: 100}'),
      'network.loss.correlation: should be less than or equal to 99, is 100',
    ],
    [traffic('rate: 10Mbps'), 'network.rate: "10Mbps" does not match '],
    [traffic('rate: 1Kbit'), 'network.rate: must be at least \'8Kbit\', is "1Kbit"'],
    [['processKill: {pattern: ""}'], 'processKill.pattern: must not be empty'],
    [['processKill: {pattern: "[a"}'], "processKill.pattern: '[a' is not a pattern in RE2 syntax: "],
    [['containerKill: {containers: []}'], 'containerKill.containers: must not be empty (containers by name)'],
    [['containerKill: {signal: KILL}'], 'containerKill.signal: "KILL" is not one of SIGKILL, '],
    [['containerKill: {signal: SIGSTOP}'], 'containerKill.signal: "SIGSTOP" is not one of SIGKILL, '],
    // What does not fit together.
    [traffic(''), 'network: at least one of `delay`, '],
    [traffic('direction: Both'), 'network: at least one of `delay`, '],
    [traffic('reorder: {share: 5%}'), 'network.reorder: may only be given with `delay`'],
    [
      traffic('delay: {latency: 10ms, jitter: 20ms}'),
      'network.delay.jitter: must not be longer than `latency`, is "20ms"',
    ],
    [
      traffic('delay: {latency: 10ms, correlation: 5}'),
      'network.delay: `correlation` and `distribution` may only be given with `jitter`',
    ],
    [
      traffic(`${delay}, ports: [{port: 90, endPort: 80}]`),
      'network.ports[0].endPort: must not be below `port`, is 80',
    ],
    // Another type than was expected.
    [['network: slow', 'duration: 1m'], 'network: must be an object with fields such as `delay`, '],
    [traffic('delay: 100ms'), 'network.delay: must be an object with `latency`, is "100ms"'],
    [traffic(`${delay}, ports: [80]`), 'network.ports[0]: must be an object with `port`, is 80'],
    [traffic(`${delay}, ports: 80`), 'network.ports: must be a list of objects, is 80'],
    [traffic(`${delay}, peers: {services: [db]}`), 'network.peers.services[0]: must be an object with `name`, is "db"'],
    // Peers that are none, and exceptions from everything.
    [
      traffic(`${delay}, peers: {}`),
      'network.peers: at least one of `pods`, `services`, `cidrs`, `hosts` must be given',
    ],
    [traffic(`${delay}, peers: {pods: {selector: {}}}`), 'network.peers.pods.selector: must not be empty: '],
    [traffic(`${delay}, peers: {hosts: ["db:5432"]}`), 'network.peers.hosts[0]: "db:5432" does not match '],
    [
      traffic(`${delay}, peers: {cidrs: [10.0.0.0/33]}`),
      "network.peers.cidrs[0]: '10.0.0.0/33' is no range of addresses",
    ],
    [
      traffic(`${delay}, peers: {cidrs: [10.0.0.1/8]}`),
      "network.peers.cidrs[0]: '10.0.0.1/8' has bits set beyond its prefix; did you mean",
    ],
    [
      ['partition: {except: {cidrs: ["fd00::/129"]}}', 'duration: 1m'],
      "partition.except.cidrs[0]: 'fd00::/129' is no range",
    ],
    [
      traffic(`${delay}, except: {cidrs: [0.0.0.0/0, "::/0"]}`),
      'network.except.cidrs: spares all traffic, so that nothing would be hit',
    ],
    [
      traffic(`${delay}, peers: {cidrs: [10.1.0.0/16]}, except: {cidrs: [10.0.0.0/8]}`),
      'network.except.cidrs: spares all of `peers`',
    ],
    // A field without a value would count as one that was left out: everybody would be a peer.
    [traffic(`${delay}, peers: `), 'network.peers: has no value; give it one, or remove it'],
    [['partition:', 'duration: 1m'], 'partition: has no value; write {} when it needs none, or remove it'],
    // Too long for the run.
    [[network, 'duration: 168h'], 'duration: 168h does not fit into `timeout`, which is 1h: no run could pass; '],
    [[network, 'duration: 1h'], 'duration: 1h does not fit into `timeout`, '],
    [[network, 'duration: 169h'], 'duration: must be at most 168h, is "169h"'],
    // Typos.
    [['netwrok: {}', 'duration: 1m'], 'netwrok: unknown field; did you mean network?'],
    [['partiton: {}', 'duration: 1m'], 'partiton: unknown field; did you mean partition?'],
    [['containerkill: {}'], 'containerkill: unknown field; did you mean containerKill?'],
    [['processkill: {pattern: a}'], 'processkill: unknown field; did you mean processKill?'],
    [['processpause: {}', 'duration: 1m'], 'processpause: unknown field; did you mean processPause?'],
    [['processKill: {patern: a}'], 'processKill.patern: unknown field; did you mean pattern?'],
    [['containerKill: {container: [a]}'], 'containerKill.container: unknown field; did you mean containers?'],
    [['containerKill: {signl: SIGKILL}'], 'containerKill.signl: unknown field; did you mean signal?'],
    [[network, 'duration: 1m', 'agents: Node'], 'agents: unknown field; did you mean agent?'],
    [[network, 'duration: 1m', 'agent: node'], 'agent: "node" is not one of Node, Sidecar, Auto; did you mean Node?'],
    [[network, 'duration: 1m', 'ondrift: End'], 'ondrift: unknown field; did you mean onDrift?'],
    [
      [network, 'duration: 1m', following.replace('follow', 'folow')],
      'targets.folow: unknown field; did you mean follow?',
    ],
    [traffic('latency: 100ms'), 'network.latency: unknown field; did you mean delay.latency?'],
    [traffic('dealy: {latency: 1ms}'), 'network.dealy: unknown field; did you mean delay?'],
    [traffic('delay: {latancy: 1ms}'), 'network.delay.latancy: unknown field; did you mean latency?'],
    [traffic('delay: {latency: 1ms, jiter: 1ms}'), 'network.delay.jiter: unknown field; did you mean jitter?'],
    [
      traffic('delay: {latency: 1ms, distrib: normal}'),
      'network.delay.distrib: unknown field; did you mean distribution?',
    ],
    [traffic('los: {share: 5%}'), 'network.los: unknown field; did you mean loss?'],
    [traffic('loss: {share: 5%, corelation: 1}'), 'network.loss.corelation: unknown field; did you mean correlation?'],
    [traffic('duplicates: {share: 5%}'), 'network.duplicates: unknown field; did you mean duplicate?'],
    [traffic('corruption: {share: 5%}'), 'network.corruption: unknown field; did you mean corrupt?'],
    [traffic(`${delay}, reoder: {share: 5%}`), 'network.reoder: unknown field; did you mean reorder?'],
    [traffic(`${delay}, reorder: {share: 5%, gpa: 5}`), 'network.reorder.gpa: unknown field; did you mean gap?'],
    [traffic('rates: 5Mbit'), 'network.rates: unknown field; did you mean rate?'],
    [traffic(`${delay}, dirction: Both`), 'network.dirction: unknown field; did you mean direction?'],
    [
      traffic(`${delay}, direction: egress`),
      'network.direction: "egress" is not one of Egress, Ingress, Both; did you mean Egress?',
    ],
    [traffic(`${delay}, devise: eth0`), 'network.devise: unknown field; did you mean device?'],
    [traffic(`${delay}, peer: {cidrs: [10.0.0.0/8]}`), 'network.peer: unknown field; did you mean peers?'],
    [traffic(`${delay}, peers: {cidr: [10.0.0.0/8]}`), 'network.peers.cidr: unknown field; did you mean cidrs?'],
    [traffic(`${delay}, peers: {host: [a]}`), 'network.peers.host: unknown field; did you mean hosts?'],
    [traffic(`${delay}, peers: {service: [a]}`), 'network.peers.service: unknown field; did you mean services?'],
    [traffic(`${delay}, peers: {selector: {}}`), 'network.peers.selector: unknown field; did you mean pods.selector?'],
    [traffic(`${delay}, exept: {cidrs: [10.0.0.0/8]}`), 'network.exept: unknown field; did you mean except?'],
    [
      traffic(`${delay}, ports: [{port: 80, endport: 90}]`),
      'network.ports[0].endport: unknown field; did you mean endPort?',
    ],
    [
      traffic(`${delay}, ports: [{port: 80, proto: TCP}]`),
      'network.ports[0].proto: unknown field; did you mean protocol?',
    ],
    [
      traffic(`${delay}, ports: [{port: 80, protocol: tcp}]`),
      'network.ports[0].protocol: "tcp" is not one of TCP, UDP, SCTP; did you mean TCP?',
    ],
    [traffic(`${delay}, includeKublet: true`), 'network.includeKublet: unknown field; did you mean includeKubelet?'],
  ];
  test.each(cases)('%j', async (lines, expected) => {
    const { code, said } = await validate(...lines);
    const [problem = '', count, ...more] = said.trim().split('\n');
    expect(problem.replace(/^<?[\w-]+>?:\d+:\d+: spec\.method\[0\]\.?/, '')).toMatch(startingWith(expected));
    expect([code, count, more]).toEqual([2, '1 problem in 1 file', []]);
  });
});

describe('the time that a run may take', () => {
  const step = (name: string, duration: string, more = '') =>
    `- {name: ${name}, partition: {}, duration: ${duration}, targets: {pods: {names: [a]}}${more}}`;

  test.each([
    [
      'steps one after the other',
      [step('a', '40m'), step('b', '30m')],
      'method[1].duration: 30m, begun after 40m at the earliest, does not fit into `timeout`, which is 1h: ',
    ],
    ['steps at the same time', [step('a', '40m'), step('b', '30m', ', parallel: true')], ''],
    [
      'the longer of two at the same time',
      [step('a', '10m'), step('b', '40m', ', parallel: true'), step('c', '20m')],
      'method[2].duration: 20m, begun after 40m',
    ],
    ['a longer timeout', [step('a', '40m'), step('b', '30m'), 'timeout: 2h'], ''],
  ])('%s', async (_, lines, expected) => {
    const { code, said } = await validateSpec('method:', ...lines);
    expect([code, said]).toEqual(expected === '' ? [0, expect.anything()] : [2, expect.stringContaining(expected)]);
  });
});

function startingWith(text: string): RegExp {
  return new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`);
}
