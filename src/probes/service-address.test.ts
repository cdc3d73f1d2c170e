import { describe, expect, test } from '@jest/globals';
import { addressOf, isHeadless } from './service-address.js';

describe('the address of a Service', () => {
  test('is its cluster IPs, whatever its endpoints are', () => {
    expect(addressOf({ spec: { clusterIP: '10.96.0.9', ports: [{ port: 80 }] } }, [])).toEqual({
      addresses: ['10.96.0.9'],
    });
    const dual = { spec: { clusterIP: '10.96.0.9', clusterIPs: ['10.96.0.9', 'fd00::9'] } };
    expect(addressOf(dual, [])).toEqual({ addresses: ['10.96.0.9', 'fd00::9'] });
    expect(isHeadless(dual)).toBe(false);
  });

  test('is the ready endpoints at their own ports when it is headless', () => {
    const service = {
      spec: {
        clusterIP: 'None',
        ports: [
          { name: 'web', port: 80 },
          { name: 'admin', port: 81 },
        ],
      },
    };
    const slices = [
      {
        endpoints: [
          { addresses: ['10.0.0.1'], conditions: { ready: true } },
          { addresses: ['10.0.0.2'], conditions: { ready: false } },
          { addresses: ['10.0.0.3'] },
        ],
        ports: [{ name: 'web', port: 8080 }],
      },
      { endpoints: null, ports: null },
    ];
    expect(isHeadless(service)).toBe(true);
    expect(addressOf(service, slices)).toEqual({ addresses: ['10.0.0.1', '10.0.0.3'], ports: { 80: 8080 } });
    expect(addressOf(service, [])).toEqual({ addresses: [], ports: {} });
  });

  test('is for DNS to know when it is only a name for another host', () => {
    expect(addressOf({ spec: {} }, [])).toBeUndefined();
  });
});
