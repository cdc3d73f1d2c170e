import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { runningPod } from '../testing/pod-objects.js';
import { inNamespace, PodProcesses } from '../testing/pod-processes.js';
import { until } from '../testing/scripted-server.js';
import { RefusedError, TargetGoneError } from './handler.js';
import { NodePlaces } from './node-place.js';
import { runProgram } from './run-program.js';

const places = new NodePlaces({ run: runProgram });
const addresses = ['10.1.2.3', '2001:db8::5'];

let node: PodProcesses;
let uid: string;
let folder: string;
beforeEach(() => {
  node = new PodProcesses();
  uid = randomUUID();
  folder = `kubepods/besteffort/pod${uid}`;
});
afterEach(() => node.close());

/** A pause process with a network of its own. */
const startSandbox = (name = 'pause') => node.start(`${folder}/${name}`, inNamespace(addresses));
/** A container in the network of a process. */
const startContainer = (id: string, sandbox: number, command: readonly string[] = ['sleep', '1000']) =>
  node.start(`${folder}/${id}`, ['nsenter', `--net=/proc/${sandbox}/ns/net`, ...command]);
const pod = (containers: Record<string, string> = {}) => runningPod(uid, addresses, containers);
const target = () => ({ namespace: 'shop', name: 'cart', uid });

describe('NodePlaces', () => {
  test('finds a pod by its UID and its addresses, and runs programs in its network', async () => {
    const sandbox = await startSandbox();
    await startContainer('abc', sandbox);
    const place = await places.find(runningPod(uid, ['10.1.2.3', '2001:DB8:0:0::5'], { app: 'abc' }));
    expect(place.networkNamespace).toBe(readlinkSync(`/proc/${sandbox}/ns/net`));
    const { stdout } = await place.run('ip', ['-j', 'address', 'show', 'dev', 'eth0']);
    expect(JSON.parse(stdout)[0].addr_info).toContainEqual(expect.objectContaining({ local: '10.1.2.3' }));
    const [program = '', ...args] = place.enter;
    expect(execFileSync(program, [...args, 'readlink', '/proc/self/ns/net'], { encoding: 'utf8' }).trim()).toBe(
      place.networkNamespace,
    );
    const found = await place.processes();
    expect(found.map(({ container, commandLine }) => [container, commandLine])).toEqual([
      [undefined, 'sleep infinity'],
      ['app', 'sleep 1000'],
    ]);
  });

  test('tells 100 pods apart', async () => {
    const uids = Array.from({ length: 100 }, () => randomUUID());
    await Promise.all(
      uids.map((one, index) => node.start(`kubepods/pod${one}/pause`, inNamespace([`10.9.0.${index + 1}`]))),
    );
    const found = await Promise.all(uids.map((one, index) => places.find(runningPod(one, [`10.9.0.${index + 1}`]))));
    expect(new Set(found.map(({ networkNamespace }) => networkNamespace)).size).toBe(100);
    await expect(places.find(runningPod(uids[0] ?? '', ['10.9.0.2']))).rejects.toThrow(RefusedError);
  }, 30_000);

  test('refuses a pod in the network of the node', async () => {
    await node.start(`${folder}/abc`, ['sleep', '1000']);
    await expect(places.find(pod())).rejects.toThrow(/no process of shop\/cart/);
  });

  test('finds no processes that docker in the pod gave a network of their own, but shows them', async () => {
    const sandbox = await startSandbox();
    await node.start(`${folder}/abc/docker/inner`, inNamespace(['172.17.0.2']));
    const place = await places.find(pod({ app: 'abc' }));
    expect(place.networkNamespace).toBe(readlinkSync(`/proc/${sandbox}/ns/net`));
    expect((await place.processes()).map(({ container }) => container)).toEqual([undefined, 'app']);
  });

  test('finds a pod in a user namespace of its own', async () => {
    const command = ['unshare', '--user', '--map-root-user', ...inNamespace(addresses)];
    await node.start(`${folder}/abc`, command);
    const place = await places.find(pod());
    expect(await place.run('tc', ['qdisc', 'add', 'dev', 'eth0', 'root', 'handle', '5351:', 'htb'])).toMatchObject({
      code: 0,
    });
  });

  test('finds a container whose process forks away all the time', async () => {
    const sandbox = await startSandbox();
    const fork = 'i=0; while [ $i -lt 400 ]; do i=$((i+1)); (sleep 0.01 & exit); done';
    await startContainer('abc', sandbox, ['sh', '-c', `(${fork}) & exec sleep 1000`]);
    for (let look = 0; look < 20; look++) {
      const place = await places.find(pod({ app: 'abc' }));
      expect((await place.processes()).length).toBeGreaterThanOrEqual(2);
    }
  });

  test('gets in by any process of the pod that is left', async () => {
    const sandbox = await startSandbox();
    await startContainer('abc', sandbox);
    const place = await places.find(pod());
    await startContainer('def', sandbox);
    await node.kill(`${folder}/pause`);
    await node.kill(`${folder}/abc`);
    const { stdout } = await place.run('readlink', ['/proc/self/ns/net']);
    expect(stdout.trim()).toBe(place.networkNamespace);
  });

  test('does not follow a process that leaves the network of the pod', async () => {
    const leave = 'trap "exec unshare --net sleep 1000" USR1; while :; do sleep 0.02; done';
    const leaver = await node.start(`${folder}/abc`, inNamespace(addresses, ['sh', '-c', leave]), 'sh');
    await until(() => readFileSync(`/proc/${leaver}/cmdline`, 'utf8').startsWith('sh\0-c\0trap'));
    const place = await places.find(pod());
    process.kill(leaver, 'SIGUSR1');
    await until(() => readlinkSync(`/proc/${leaver}/ns/net`) !== place.networkNamespace);
    await expect(place.run('true', [])).rejects.toThrow(TargetGoneError);
  });

  test('notices that a pod has ended, and runs nothing anywhere else', async () => {
    await startSandbox();
    const place = await places.find(pod());
    const known = { ...place, bootId: await places.bootId(), target: target() };
    expect(await places.isGone(known)).toBe(false);
    await node.kill(`${folder}/pause`);
    expect(await places.isGone(known)).toBe(true);
    await expect(place.run('true', [])).rejects.toThrow(TargetGoneError);
    await expect(places.findAgain(known)).rejects.toThrow(TargetGoneError);
    expect(await place.processes()).toEqual([]);
  });

  test('notices that a pod has a new network', async () => {
    await startSandbox();
    const place = await places.find(pod());
    const known = { ...place, bootId: await places.bootId(), target: target() };
    // Started first, or it could get the old one's number.
    await startSandbox('pause2');
    await node.kill(`${folder}/pause`);
    const again = await places.find(pod());
    expect(again.networkNamespace).not.toBe(place.networkNamespace);
    expect(await places.isGone(known)).toBe(true);
    await expect(place.run('true', [])).rejects.toThrow(TargetGoneError);
  });

  test('gets in again for a pod that the API server has forgotten while it still runs', async () => {
    await startSandbox();
    const { networkNamespace } = await places.find(pod());
    const place = await places.findAgain({ networkNamespace, bootId: await places.bootId(), target: target() });
    expect((await place.run('readlink', ['/proc/self/ns/net'])).stdout.trim()).toBe(networkNamespace);
    await expect(places.findAgain({ networkNamespace, bootId: 'another', target: target() })).rejects.toThrow(
      TargetGoneError,
    );
  });

  test('gets into a namespace that the runtime keeps without a process', async () => {
    const sandbox = await startSandbox();
    const kept = join(mkdtempSync(join(tmpdir(), 'squall host ')), 'cni-1');
    writeFileSync(kept, '');
    execFileSync('mount', ['--bind', `/proc/${sandbox}/ns/net`, kept]);
    try {
      const { networkNamespace } = await places.find(pod());
      const known = { networkNamespace, bootId: await places.bootId(), target: target() };
      await node.kill(`${folder}/pause`);
      expect(await places.isGone(known)).toBe(false);
      const place = await places.findAgain(known);
      expect((await place.run('readlink', ['/proc/self/ns/net'])).stdout.trim()).toBe(networkNamespace);
      execFileSync('umount', [kept]);
      expect(await places.isGone(known)).toBe(true);
    } finally {
      execFileSync('sh', ['-c', 'umount "$0" 2>/dev/null || true', kept]);
      rmSync(join(kept, '..'), { recursive: true });
    }
  });

  test('says that a program is not installed, and passes on what it answers', async () => {
    await startSandbox();
    const place = await places.find(pod());
    await expect(place.run('squall-no-such-program', [])).rejects.toThrow('squall-no-such-program is not installed');
    expect(await place.run('tc', ['qdisc', 'show', 'dev', 'nope'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nope'),
    });
  });

  test('leaves no file open behind', async () => {
    await startSandbox();
    const place = await places.find(pod());
    const open = () =>
      execFileSync('sh', ['-c', `ls -l /proc/${process.pid}/fd | grep -c net: || true`], { encoding: 'utf8' });
    const before = open();
    await Promise.all(Array.from({ length: 20 }, () => place.run('true', [])));
    expect(open()).toBe(before);
  });
});
