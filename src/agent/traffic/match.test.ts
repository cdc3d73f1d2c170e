import { describe, expect, test } from '@jest/globals';
import type { PortRange } from '../../api/peers.js';
import type { TrafficMatch } from '../../faults/step.js';
import type { Addresses, Endpoint } from '../handler.js';
import { type Meant, meantBy, meantByTable, overlap } from './match.js';

const tcp = (address: string, port: number): Endpoint => ({ address, port, protocol: 'TCP' });

function meant(ports?: PortRange[], addresses?: Partial<Addresses>): Meant {
  const match: TrafficMatch = {
    direction: 'Egress',
    includeKubelet: false,
    ...(addresses && { peers: { cidrs: ['192.0.2.1'] } }),
    ...(ports && { ports }),
  };
  return meantBy(match, { exempt: [], ...(addresses && { peers: { ranges: [], endpoints: [], ...addresses } }) });
}

const everything = meant();
const ranges = (...list: string[]) => ({ ranges: list });
const port = (number: number, protocol?: 'UDP') => [{ port: number, ...(protocol && { protocol }) }];

describe('two faults mean the same packets', () => {
  test.each<[string, Meant, Meant]>([
    ['everything', everything, everything],
    ['everything and a port', everything, meant(port(80))],
    ['everything and some peers', everything, meant(undefined, ranges('10.0.0.1'))],
    ['everything and a Service', everything, meant(undefined, { endpoints: [tcp('10.0.0.1', 80)] })],
    ['ports in common', meant([{ port: 80, endPort: 90 }]), meant(port(90))],
    ['peers in common', meant(undefined, ranges('10.0.0.0/8')), meant(undefined, ranges('fd00::1', '10.1.0.0/16'))],
    ['a port, and peers of any port', meant(port(80)), meant(undefined, ranges('10.0.0.1'))],
    ['a port, and a Service with it', meant(port(80)), meant(undefined, { endpoints: [tcp('10.0.0.1', 80)] })],
    [
      'a Service in a range with its port',
      meant(port(80), ranges('10.0.0.0/8')),
      meant(port(81), { endpoints: [tcp('10.0.0.1', 80)] }),
    ],
    [
      'the same Service',
      meant(undefined, { endpoints: [tcp('fd00::1', 80)] }),
      meant(undefined, { endpoints: [tcp('fd00:0::1', 80)] }),
    ],
  ])('with %s', (_, one, other) => {
    expect(overlap(one, other)).toBe(true);
    expect(overlap(other, one)).toBe(true);
  });
});

describe('two faults have nothing in common', () => {
  test.each<[string, Meant, Meant]>([
    ['different ports', meant(port(80)), meant([{ port: 81, endPort: 90 }])],
    ['different protocols', meant(port(53)), meant(port(53, 'UDP'))],
    ['different peers', meant(undefined, ranges('10.0.0.0/9')), meant(undefined, ranges('10.128.0.0/9', '::/0'))],
    ['different ports of the same peers', meant(port(80), ranges('10.0.0.1')), meant(port(81), ranges('10.0.0.1'))],
    ['a port, and a Service with another', meant(port(80)), meant(undefined, { endpoints: [tcp('10.0.0.1', 81)] })],
    [
      'a Service in a range with another port',
      meant(port(80), ranges('10.0.0.0/8')),
      meant(undefined, { endpoints: [tcp('10.0.0.1', 81)] }),
    ],
    [
      'ports of one Service',
      meant(undefined, { endpoints: [tcp('10.0.0.1', 80)] }),
      meant(undefined, { endpoints: [tcp('10.0.0.1', 81)] }),
    ],
    ['no peer left', everything, meant(undefined, {})],
  ])('with %s', (_, one, other) => {
    expect(overlap(one, other)).toBe(false);
    expect(overlap(other, one)).toBe(false);
  });
});

test('what a fault means is read back from the listing of its table', () => {
  const listing = `table inet squall_0badcafe {
	counter matched {
		packets 0 bytes 0
	}

	set armed {
		type ether_type
		flags timeout
		elements = { ip timeout 30s expires 29s,
			     ip6 timeout 30s expires 29s }
	}

	set tcp_ports {
		type inet_service
		flags interval
		elements = { 80-90, 443 }
	}

	set peer4 {
		type ipv4_addr
		flags interval
		elements = { 10.0.0.1, 10.1.0.0/16,
			     10.3.0.0-10.3.0.6 }
	}

	set peer_endpoint4 {
		type ipv4_addr . inet_proto . inet_service
		elements = { 10.9.9.9 . tcp . 80,
			     10.9.9.9 . udp . 53 }
	}

	set peer6 {
		type ipv6_addr
		flags interval
	}

	set peer_endpoint6 {
		type ipv6_addr . inet_proto . inet_service
		elements = { fd00::1 . sctp . 9 }
	}

	chain egress {
	}
}
`;
  expect(meantByTable(listing)).toEqual({
    ports: [
      { protocol: 'TCP', from: 80, to: 90 },
      { protocol: 'TCP', from: 443, to: 443 },
    ],
    peers: {
      ranges: [
        expect.objectContaining({ from: 0x0a000001n, to: 0x0a000001n }),
        expect.objectContaining({ from: 0x0a010000n, to: 0x0a01ffffn }),
        expect.objectContaining({ from: 0x0a030000n, to: 0x0a030006n }),
      ],
      endpoints: [
        { address: '10.9.9.9', protocol: 'TCP', port: 80 },
        { address: '10.9.9.9', protocol: 'UDP', port: 53 },
        { address: 'fd00::1', protocol: 'SCTP', port: 9 },
      ],
    },
  });
  expect(meantByTable('table inet squall_0badcafe {\n}\n')).toEqual({});
});
