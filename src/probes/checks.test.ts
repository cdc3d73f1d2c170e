import { describe, expect, test } from '@jest/globals';
import { intervalOf } from './http.js';
import { probeOf, probes } from './index.js';

/** What the check of a probe says, as `path: message` lines. */
function problems(entry: { expect?: object; [probe: string]: unknown }): string[] {
  const { probe, spec } = probeOf(entry);
  return (probe.check?.(spec, entry.expect ?? {}) ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

const url = 'http://checkout.shop.svc/healthz';

describe('an http probe', () => {
  test('is sound with a URL alone', () => {
    expect(problems({ http: { url } })).toEqual([]);
  });

  test.each([
    [{ url: 'http://' }, 'http.url: .* is not a URL: expected http:// or https:// and a host'],
    [{ url: 'http://169.254.169.254/latest' }, 'http.url: .*link-local'],
    [{ url: 'http://0xa9fea9fe/' }, 'http.url: .*link-local'],
    [{ url: 'http://[fe80::1]/' }, 'http.url: .*link-local'],
    [{ url: 'http://user:pass@shop/' }, 'http.url: must not hold a user name'],
    [{ url, timeout: '2m' }, 'http.timeout: must be at most 60s'],
    [{ url, status: ['200', '299-200'] }, "http.status: '299-200' admits nothing"],
    [{ url, body: { matches: '(' } }, 'http.body.matches: .* is not a pattern in RE2 syntax'],
    [{ url, body: { matches: '(?=x)' } }, 'http.body.matches: .* is not a pattern in RE2 syntax'],
    [{ url, method: 'HEAD', body: { matches: 'x' } }, 'http.body.matches: may not be given with `method: HEAD`'],
    [{ url, requestBody: 'x' }, 'http.requestBody: may not be given with `method: GET`'],
    [{ url, tls: { caBundle: 'x' } }, 'http.tls.caBundle: holds no certificate'],
    [
      { url, tls: { caBundle: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' } },
      'http.tls.caBundle: holds a certificate that can not be read',
    ],
    [{ url, headers: { 'Content-Length': '5' } }, 'http.headers.Content-Length: belongs to the connection'],
    [{ url, headers: { 'x y': '1' } }, 'http.headers.x y: is not a header'],
    [{ url, headers: { x: 'a\r\nb: c' } }, 'http.headers.x: is not a header'],
  ])('%j has a problem', (http, problem) => {
    const found = problems({ http });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(problem));
  });

  test.each([
    ['20/s', 50],
    ['1000/s', 1],
    ['30/m', 2_000],
  ])('at %s sends every %d ms', (rate, milliseconds) => {
    expect(intervalOf(rate)).toBe(milliseconds);
  });
});

describe('a resource probe', () => {
  const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'checkout' };

  test('is sound with an expression over its object, or over its objects', () => {
    expect(problems({ resource: deployment, expect: { that: 'object.status.replicas > 1' } })).toEqual([]);
    const list = { apiVersion: 'v1', kind: 'Pod' };
    expect(problems({ resource: list, expect: { that: 'objects.size() > 1' } })).toEqual([]);
  });

  test.each([
    [{ apiVersion: 'v1', kind: 'Secret' }, {}, 'resource.kind: Secrets may not be read'],
    [{ ...deployment, interval: '10ms' }, {}, 'resource.interval: must be from 100ms to 1m'],
    [{ ...deployment, interval: '2m' }, {}, 'resource.interval: must be from 100ms to 1m'],
    [deployment, { that: 'object.status. >' }, 'expect.that: is not an expression over `object`'],
    [deployment, { that: 'objects.size() > 1' }, 'expect.that: .*objects'],
    [deployment, { that: '"yes"' }, 'expect.that: must be true or false'],
    [deployment, { latencyP95: '< 1s' }, 'expect.latencyP95: may not be given with `resource`'],
  ])('%j with %j has a problem', (resource, expectation, problem) => {
    const found = problems({ resource, expect: expectation });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(new RegExp(problem));
  });
});

describe('the catalogue', () => {
  test('has a sound example of each probe, and each under its own name', () => {
    expect(new Set(probes.map(({ name }) => name)).size).toBe(probes.length);
    for (const { name, example } of probes) {
      expect(problems({ [name]: example.spec, expect: example.expect })).toEqual([]);
    }
  });

  test('says what it knows when an entry asks for something else', () => {
    expect(() => probeOf({ name: 'x', grpc: {} })).toThrow('asks for no probe this version knows: http, resource');
  });
});
