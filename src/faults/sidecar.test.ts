import { describe, expect, test } from '@jest/globals';
import {
  decodeOrder,
  encodeOrder,
  encodeReport,
  MAX_ORDER_CHARACTERS,
  MAX_REPORT_BYTES,
  parseReport,
  type SidecarOrder,
  type SidecarReport,
} from './sidecar.js';

const order: SidecarOrder = {
  pod: { namespace: 'shop', name: 'web-1', uid: '0b8a' },
  podIPs: ['10.1.0.5', 'fd00::5'],
  hostIPs: ['192.0.2.7'],
  probePorts: [8080],
  steps: [
    {
      id: '0badcafe',
      step: {
        do: 'traffic',
        match: { direction: 'Both', includeKubelet: false, peers: { hosts: ['zürich.example'] } },
        drop: 1,
      },
      peers: { ranges: ['10.2.0.0/16'], endpoints: [{ address: '10.3.0.1', port: 443, protocol: 'TCP' }] },
    },
  ],
  milliseconds: 60_000,
  startBy: 1_800_000_000_000,
  onDrift: 'Reapply',
  drifts: 0,
};

const changed = (change: object) => Buffer.from(JSON.stringify({ ...order, ...change })).toString('base64url');

describe('an order', () => {
  test('is the same when it is read back', () => {
    expect(decodeOrder(encodeOrder(order))).toEqual(order);
  });

  test('needs no quoting anywhere', () => {
    expect(encodeOrder(order)).toMatch(/^[\w-]+$/);
  });

  test('has room for hundreds of peers, and is refused with advice beyond that', () => {
    const [first] = order.steps;
    const withPeers = (count: number): SidecarOrder => {
      const ranges = Array.from({ length: count }, (_, index) => `10.200.${index >> 8}.${index & 255}/32`);
      return { ...order, steps: [{ ...first!, peers: { ranges, endpoints: [] } }] };
    };
    expect(encodeOrder(withPeers(1_000)).length).toBeLessThan(MAX_ORDER_CHARACTERS);
    expect(() => encodeOrder(withPeers(10_000))).toThrow(/at most 32768 are possible: name fewer peers, or ranges/);
  });

  test.each([
    ['no base64', '***'],
    ['no JSON', Buffer.from('hello').toString('base64url')],
    ['null', Buffer.from('null').toString('base64url')],
    ['without a pod', changed({ pod: undefined })],
    ['without an end', changed({ milliseconds: null })],
    ['with an id that could be something else in nft', changed({ steps: [{ ...order.steps[0], id: 'x; flush' }] })],
    ['of something that no sidecar can do', changed({ steps: [{ id: '0badcafe', step: { do: 'signal' } }] })],
    ['that is too long', 'a'.repeat(MAX_ORDER_CHARACTERS + 1)],
  ])('%s is refused', (_, text) => {
    expect(() => decodeOrder(text)).toThrow();
  });
});

describe('a report', () => {
  const report: SidecarReport = {
    end: 'Lost',
    message: 'it vanished',
    drifts: 2,
    effective: true,
    evidence: { packets: 12, bytes: 900, exempted: 1 },
  };

  test('is the same when it is read back, as text and as JSON', () => {
    expect(parseReport(encodeReport(report))).toEqual(report);
    expect(parseReport(JSON.parse(encodeReport(report)))).toEqual(report);
    const { end: _end, message: _message, ...on } = report;
    expect(parseReport(encodeReport(on))).toEqual(on);
  });

  test.each(['x', 'ü', '"', '\u0000', '😀'])('keeps to its bytes with a long message of %j', (letter) => {
    const text = encodeReport({
      ...report,
      message: letter.repeat(5_000),
      evidence: { packets: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER, exempted: Number.MAX_SAFE_INTEGER },
    });
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(MAX_REPORT_BYTES);
    expect(parseReport(text)?.message?.length).toBeGreaterThan(100);
    expect(text).not.toContain('\n');
  });

  test.each([
    '',
    'starting …',
    '[]',
    'null',
    '{"end":"Over"}',
    '{"end":"Perhaps","drifts":0,"effective":true,"evidence":{}}',
    '{"drifts":-1,"effective":true,"evidence":{}}',
    '{"drifts":0,"effective":"yes","evidence":{}}',
  ])('is not seen in %j', (text) => {
    expect(parseReport(text)).toBeUndefined();
  });

  test('brings in nothing that is not asked for', () => {
    const text = JSON.stringify({ ...report, evidence: { packets: 1, bytes: 'many', weight: 3 }, state: 'Reverted' });
    expect(parseReport(text)).toEqual({ ...report, evidence: { packets: 1 } });
  });
});
