import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import type { ServiceAddress } from './probe.js';
import { Resolver, type ResolverOptions, serviceNamed } from './resolver.js';

const notFound = () => Promise.reject(Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' }));

function resolverOf(changes: Partial<ResolverOptions> & { service?: () => Promise<ServiceAddress | undefined> }) {
  return new Resolver({
    services: { resolveService: changes.service ?? (async () => undefined) },
    policy: { blockLoopback: false, blocked: [] },
    now: () => 0,
    lookupAddresses: notFound,
    ...changes,
  });
}

const addressesOf = async (resolver: Resolver, host: string, port = 80) => {
  const { addresses, port: realPort } = await resolver.resolve(host, port);
  return addresses.map(({ address }) => `${address}:${realPort}`);
};

describe('resolving', () => {
  test('takes an address as it is, and a name to all of its addresses', async () => {
    const resolver = resolverOf({ lookupAddresses: async () => ['10.0.0.1', 'fd00::1'] });
    expect(await resolver.resolve('[::1]', 80)).toEqual({ addresses: [{ address: '::1', family: 6 }], port: 80 });
    expect((await addressesOf(resolver, 'shop.example')).sort()).toEqual(['10.0.0.1:80', 'fd00::1:80']);
  });

  test('prefers DNS to the API server for the name of a Service', async () => {
    const service = async () => ({ addresses: ['10.96.0.9'] });
    const resolver = resolverOf({ lookupAddresses: async () => ['10.0.0.1'], service });
    expect(await addressesOf(resolver, 'checkout.shop.svc')).toEqual(['10.0.0.1:80']);
  });

  test('asks the API server when DNS does not know the name, or takes long', async () => {
    const service = async () => ({ addresses: ['10.96.0.9'] });
    expect(await addressesOf(resolverOf({ service }), 'checkout.shop.svc')).toEqual(['10.96.0.9:80']);
    const slow = resolverOf({ service, lookupAddresses: () => sleep(5_000, ['10.0.0.1'], { ref: false }) });
    expect(await addressesOf(slow, 'checkout.shop.svc')).toEqual(['10.96.0.9:80']);
  });

  test('does not ask DNS again for what only the API server knows', async () => {
    let time = 0;
    let askedDns = 0;
    let version = 0;
    const resolver = resolverOf({
      now: () => time,
      lookupAddresses: () => {
        askedDns += 1;
        return notFound();
      },
      service: async () => {
        version += 1;
        return { addresses: [`10.96.0.${version}`] };
      },
    });
    await resolver.resolve('checkout.shop.svc', 80);
    time = 5_000;
    await resolver.resolve('checkout.shop.svc', 80);
    await sleep(1);
    expect(await addressesOf(resolver, 'checkout.shop.svc')).toEqual(['10.96.0.2:80']);
    expect(askedDns).toBe(1);
  });

  test('goes on with the last answer while the API server can not say, and asks again', async () => {
    let time = 0;
    let answer = async () => ({ addresses: ['10.96.0.9'] });
    const resolver = resolverOf({ now: () => time, service: () => answer() });
    await resolver.resolve('checkout.shop.svc', 80);
    answer = () => Promise.reject(new Error('the API server does not answer'));
    for (time = 10_000; time < 60_000; time += 10_000) {
      expect(await addressesOf(resolver, 'checkout.shop.svc')).toEqual(['10.96.0.9:80']);
      await sleep(1);
    }
    answer = async () => ({ addresses: ['10.96.0.10'] });
    await resolver.resolve('checkout.shop.svc', 80);
    await sleep(1);
    expect(await addressesOf(resolver, 'checkout.shop.svc')).toEqual(['10.96.0.10:80']);
  });

  test('does not go on with a Service that is gone', async () => {
    let time = 0;
    let found: ServiceAddress | undefined = { addresses: ['10.96.0.9'] };
    const resolver = resolverOf({ now: () => time, service: async () => found });
    await resolver.resolve('checkout.shop.svc', 80);
    found = undefined;
    time = 10_000;
    await resolver.resolve('checkout.shop.svc', 80);
    await sleep(1);
    await expect(resolver.resolve('checkout.shop.svc', 80)).rejects.toThrow(/not known/);
  });

  test('takes the endpoints of a headless Service in turn, at their own port', async () => {
    const resolver = resolverOf({
      service: async () => ({ addresses: ['10.0.0.1', '10.0.0.2'], ports: { 80: 8080 } }),
    });
    const first = await addressesOf(resolver, 'db.shop.svc');
    const second = await addressesOf(resolver, 'db.shop.svc');
    expect([...first].sort()).toEqual(['10.0.0.1:8080', '10.0.0.2:8080']);
    expect(second).toEqual([...first].reverse());
  });

  test('refuses a name when any of its addresses is not to be reached', async () => {
    const resolver = resolverOf({ lookupAddresses: async () => ['10.0.0.1', '169.254.169.254'] });
    await expect(resolver.resolve('shop.example', 80)).rejects.toThrow(/link-local/);
  });

  test('says that a name is not known, and passes on that nobody could say', async () => {
    await expect(resolverOf({}).resolve('checkout.shop.svc', 80)).rejects.toThrow(
      "host name 'checkout.shop.svc' is not known",
    );
    const down = resolverOf({ service: () => Promise.reject(new Error('the API server does not answer')) });
    await expect(down.resolve('checkout.shop.svc', 80)).rejects.toThrow('the API server does not answer');
  });

  test('keeps an answer for 5 s, then renews it without letting anyone wait', async () => {
    let time = 0;
    let asked = 0;
    const resolver = resolverOf({
      now: () => time,
      lookupAddresses: async () => {
        asked += 1;
        return [`10.0.0.${asked}`];
      },
    });
    await resolver.resolve('shop.example', 80);
    time = 4_999;
    expect(await addressesOf(resolver, 'shop.example')).toEqual(['10.0.0.1:80']);
    expect(asked).toBe(1);
    time = 5_000;
    expect(await addressesOf(resolver, 'shop.example')).toEqual(['10.0.0.1:80']);
    await sleep(1);
    expect(await addressesOf(resolver, 'shop.example')).toEqual(['10.0.0.2:80']);
    expect(asked).toBe(2);
  });

  test('does not keep a failure, neither the first nor one of a renewal', async () => {
    let time = 0;
    let known = false;
    const resolver = resolverOf({
      now: () => time,
      lookupAddresses: () => (known ? Promise.resolve(['10.0.0.1']) : notFound()),
    });
    await expect(resolver.resolve('shop.example', 80)).rejects.toThrow(/not known/);
    known = true;
    expect(await addressesOf(resolver, 'shop.example')).toEqual(['10.0.0.1:80']);
    known = false;
    time = 10_000;
    await resolver.resolve('shop.example', 80);
    await sleep(1);
    await expect(resolver.resolve('shop.example', 80)).rejects.toThrow(/not known/);
  });
});

test.each([
  ['checkout.shop', { name: 'checkout', namespace: 'shop' }],
  ['checkout.shop.svc', { name: 'checkout', namespace: 'shop' }],
  ['Checkout.shop.svc.cluster.local.', { name: 'checkout', namespace: 'shop' }],
  ['checkout', undefined],
  ['www.shop.example', undefined],
  ['a.checkout.shop.svc', undefined],
])('the host %s means %j', (host, service) => {
  expect(serviceNamed(host)).toEqual(service);
});
