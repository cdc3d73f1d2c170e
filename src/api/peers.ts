import { enumeration, type Infer, integer, list, object, optional, type Rule, string } from './schema.js';
import { labelSelector } from './selector.js';

/** At most this many addresses stand behind the peers of one fault; more are refused. */
export const MAX_PEER_ADDRESSES = 10_000;

const namespace = string("namespace; left out: the run's own.", { max: 63, min: 1 });
const name = (of: string) => string(`name of the ${of}.`, { max: 253, min: 1 });

const fields = {
  pods: optional(
    object('pods whose addresses are meant, kept up to date while the fault lasts.', {
      selector: labelSelector('selector picks pods by their labels.'),
      namespace: optional(namespace),
    }),
  ),
  services: optional(
    list(
      'services are meant with their cluster addresses and ports, and those of the pods behind them.',
      object('A Service.', { name: name('Service'), namespace: optional(namespace) }),
      { max: 20, min: 1 },
    ),
  ),
  cidrs: optional(
    list(
      'cidrs are ranges of addresses such as `10.0.0.0/8` or `2001:db8::/32`; a single address stands for itself.',
      string('A range of addresses, such as `10.0.0.0/8`, or one address.', {
        max: 43,
        min: 2,
        pattern: '^[0-9a-fA-F.:]+(/[0-9]{1,3})?$',
      }),
      { max: 100, min: 1, set: true },
    ),
  ),
  hosts: optional(
    list(
      'hosts are names that are looked up in the DNS, as the agent sees it, and kept up to date while the fault lasts.',
      string('A host name, such as `db.example.com`, without a scheme and without a port.', {
        max: 253,
        min: 1,
        pattern: '^[a-zA-Z0-9_]([-a-zA-Z0-9_.]*[a-zA-Z0-9_])?[.]?$',
      }),
      { max: 20, min: 1, set: true },
    ),
  ),
};

const anyGiven: Rule = {
  rule: `[${Object.keys(fields)
    .map((field) => `has(self.${field})`)
    .join(', ')}].exists(given, given)`,
  message: `at least one of ${Object.keys(fields)
    .map((field) => `\`${field}\``)
    .join(', ')} must be given`,
};

/** A schema for the other side of a target's traffic: the union of all that is named. */
export function peers(description: string) {
  return object(description, fields, [anyGiven]);
}

/** The other side of a target's traffic: the union of all that is named. */
export type Peers = Infer<ReturnType<typeof peers>>;

/** Transport protocols a fault can be limited to. */
export const protocols = ['TCP', 'UDP', 'SCTP'] as const;
/** A transport protocol. */
export type Protocol = (typeof protocols)[number];

/** A schema for ports of which a packet must have one, on either side. */
export function ports(description: string) {
  return list(
    description,
    object(
      'A port, or a range of them.',
      {
        port: integer('port, or the first of a range.', { min: 1, max: 65_535 }),
        endPort: optional(
          integer('endPort is the last port of a range. Left out: `port` only.', { min: 1, max: 65_535 }),
        ),
        protocol: optional(enumeration('protocol. Left out: TCP.', protocols)),
      },
      [
        {
          rule: '!has(self.endPort) || self.endPort >= self.port',
          message: 'must not be below `port`',
          fieldPath: '.endPort',
        },
      ],
    ),
    { max: 20, min: 1 },
  );
}

/** A port or a range of ports; `protocol` left out is TCP. */
export type PortRange = Infer<ReturnType<typeof ports>>[number];

/** One port of one address. */
export interface Endpoint {
  address: string;
  port: number;
  protocol: Protocol;
}

/** What named peers stand for now. */
export interface Addresses {
  /** IPv4 and IPv6 ranges such as `10.0.0.1/32`, each meant with all its ports; may overlap. */
  ranges: readonly string[];
  /** Meant with this port only: the ports of Services and of the pods behind them. */
  endpoints: readonly Endpoint[];
}
