import { describe, expect, test } from '@jest/globals';
import { whyBlocked } from './address-policy.js';

const inCluster = {
  blockLoopback: true,
  blocked: ['10.96.0.1:443', '10.0.7.3', '[fd00::7]:443', 'kubernetes.default.svc'],
};
const inSandbox = { blockLoopback: false, blocked: ['127.0.0.1:6443'] };

describe('in a cluster', () => {
  test.each([
    ['169.254.169.254', 80, /link-local/],
    ['fe80::1', 80, /link-local/],
    ['fe80::1%eth0', 80, /link-local/],
    ['[fe80::1]', 80, /link-local/],
    ['::ffff:169.254.169.254', 80, /leads to 169/],
    ['64:ff9b::169.254.169.254', 80, /leads to 169.254.169.254/],
    ['64:ff9b:1::169.254.169.254', 80, /leads to 169.254.169.254/],
    ['::169.254.169.254', 80, /leads to 169.254.169.254/],
    ['2002:a9fe:a9fe::1', 80, /leads to 169.254.169.254/],
    ['2002:7f00:1::', 80, /leads to 127.0.0.1/],
    ['64:ff9b::10.96.0.1', 443, /leads to 10.96.0.1/],
    ['fd00:ec2::254', 80, /link-local/],
    ['100.100.100.200', 80, /metadata service/],
    ['168.63.129.16', 80, /metadata service/],
    ['127.0.0.1', 8080, /own loopback/],
    ['::1', 8080, /own loopback/],
    ['::ffff:127.0.0.1', 8080, /leads to 127/],
    ['0.0.0.0', 80, /no address/],
    ['::', 80, /no address/],
    ['10.96.0.1', 443, /API server or to the controller/],
    ['::ffff:10.96.0.1', 443, /API server or to the controller/],
    ['10.0.7.3', 9090, /API server or to the controller/],
    ['fd00:0::7', 443, /API server or to the controller/],
    ['Kubernetes.Default.svc.', 443, /API server or to the controller/],
  ])('%s port %d is refused', (host, port, reason) => {
    expect(whyBlocked(host, port, inCluster)).toMatch(reason);
  });

  test.each([
    ['10.96.0.1', 80],
    ['10.0.7.4', 9090],
    ['fd00::7', 80],
    ['checkout.shop.svc', 80],
    ['8.8.8.8', 443],
    ['2001:4860:4860::8888', 443],
    ['64:ff9b::8.8.8.8', 443],
    ['::ffff:8.8.8.8', 443],
  ])('%s port %d is allowed', (host, port) => {
    expect(whyBlocked(host, port, inCluster)).toBeUndefined();
  });
});

test('in the sandbox the loopback is allowed, but for the API server', () => {
  expect(whyBlocked('127.1.0.7', 8080, inSandbox)).toBeUndefined();
  expect(whyBlocked('127.0.0.1', 6443, inSandbox)).toMatch(/API server/);
  expect(whyBlocked('169.254.0.1', 80, inSandbox)).toMatch(/link-local/);
});
