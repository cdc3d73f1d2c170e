import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ClusterConfigError } from './cluster-config.js';
import { inCluster, isInCluster } from './in-cluster.js';

let folder: string;
const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
const environment = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '6443' };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'squall-account-'));
  write('token', 'first\n');
  write('ca.crt', 'authority');
  write('namespace', 'squall-system\n');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the service account of a pod', () => {
  test('says where the API server is, over IPv4 and IPv6, and who we are', async () => {
    const cluster = await inCluster(environment, folder);
    expect(cluster).toMatchObject({
      server: 'https://10.96.0.1:6443',
      namespace: 'squall-system',
      context: 'in-cluster',
    });
    expect((await cluster.credentials()).headers).toEqual({ Authorization: 'Bearer first' });
    const six = await inCluster({ KUBERNETES_SERVICE_HOST: 'fd00:96::1' }, folder);
    expect(six.server).toBe('https://[fd00:96::1]:443');
  });

  test('may change while it is used: both token and authority are read again', async () => {
    const cluster = await inCluster(environment, folder);
    const { tls } = await cluster.credentials();
    write('token', 'second');
    expect((await cluster.credentials()).headers.Authorization).toBe('Bearer first');
    const again = await cluster.credentials(true);
    expect(again.headers.Authorization).toBe('Bearer second');
    // The same object keeps the connections that are open.
    expect(again.tls).toBe(tls);
    write('ca.crt', 'another authority');
    expect((await cluster.credentials(true)).tls).toEqual({ ca: Buffer.from('another authority') });
  });

  test('is there only in a pod, and needs an authority', async () => {
    expect(isInCluster(environment, folder)).toBe(true);
    expect(isInCluster({}, folder)).toBe(false);
    expect(isInCluster(environment, join(folder, 'missing'))).toBe(false);
    rmSync(join(folder, 'ca.crt'));
    await expect(inCluster(environment, folder)).rejects.toThrow(ClusterConfigError);
  });
});
