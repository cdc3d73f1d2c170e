import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { NetworkPods } from './network-pods.js';

let pods: NetworkPods;
beforeAll(async () => {
  pods = await NetworkPods.start({ peers: 2, secondInterface: true });
});
afterAll(() => pods.stop());

test('a pod talks to its peers over IPv4 and IPv6, by ICMP, UDP and TCP', async () => {
  const [, peer] = pods.peers;
  await peer!.space.listen('tcp', 8080);
  await peer!.space.listen('udp', 5353);
  for (const address of [peer!.ipv4, peer!.ipv6]) {
    expect((await pods.pod.space.ping(address)).received).toBe(3);
    expect((await pods.pod.space.tcpEcho(address, 8080, { count: 3 })).times).toHaveLength(3);
    expect((await pods.pod.space.udpEcho(address, 5353, { count: 10 })).order).toHaveLength(10);
  }
  expect(await peer!.space.received('udp', 5353)).toMatchObject({ packets: 20 });
  expect(await pods.pod.space.tcpEcho(peer!.ipv4, 8081)).toMatchObject({ error: 'ECONNREFUSED' });
});

test('a transfer is measured by the receiver', async () => {
  const [peer] = pods.peers;
  await peer!.space.listen('tcp', 9000, 'sink');
  expect((await pods.pod.space.tcpSend(peer!.ipv6, 9000, 3_000_000)).bytes).toBe(3_000_000);
});

test('a snapshot shows what was added, and is the same again when it was taken away', async () => {
  const before = await pods.snapshot();
  await pods.pod.space.must('nft', ['add', 'table', 'inet', 'someone']);
  expect(await pods.snapshot()).not.toBe(before);
  await pods.pod.space.must('nft', ['delete', 'table', 'inet', 'someone']);
  expect(await pods.snapshot()).toBe(before);
  expect(before).toContain('net1');
});
