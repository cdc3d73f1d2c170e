import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { KubeObject } from '../kubernetes/resource.js';
import { runningPod } from '../testing/pod-objects.js';
import { NODE_NETWORK, type ProcEntry, ProcFixture } from '../testing/proc-fixture.js';
import { RefusedError, TargetGoneError } from './handler.js';
import { NodePlaces } from './node-place.js';
import type { TargetProcess } from './place.js';

const uid = '3f1c2d4e-1111-4222-8333-0123456789ab';
const address = '10.244.0.5';
const slice = `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${uid.replaceAll('-', '_')}.slice`;
const known = {
  bootId: 'b5a6b4f0-0000-4000-8000-000000000003',
  networkNamespace: 'net:[4026532008]',
  target: { namespace: 'shop', name: 'cart', uid },
};

let proc: ProcFixture;
afterEach(() => proc.close());

function placesWith(...entries: ProcEntry[]): NodePlaces {
  proc = new ProcFixture(entries);
  return new NodePlaces({
    procRoot: proc.root,
    run: () => Promise.reject(new Error('no program runs in a fixture')),
  });
}

const inContainer = (id: string, rest: Partial<ProcEntry> = {}): ProcEntry => ({
  pid: 100,
  cgroup: `0::${slice}/cri-containerd-${id}.scope\n`,
  addresses: [address],
  ...rest,
});
const pause = (rest: Partial<ProcEntry> = {}) => inContainer('pause', { pid: 10, name: 'pause', ...rest });

function podWith(change: (pod: KubeObject) => void = () => {}): KubeObject {
  const pod = runningPod(uid, [address], { app: 'abc' });
  change(pod);
  return pod;
}

async function processesOf(pod: KubeObject, ...entries: ProcEntry[]): Promise<TargetProcess[]> {
  const place = await placesWith(pause(), ...entries).find(pod);
  return (await place.processes()).filter(({ name }) => name !== 'pause');
}

describe('NodePlaces.find', () => {
  test('verifies the namespace by the addresses of the pod', async () => {
    const place = await placesWith(pause(), inContainer('abc')).find(podWith());
    expect(place).toMatchObject({
      pod: { namespace: 'shop', name: 'cart', uid },
      networkNamespace: 'net:[4026532008]',
      podIPs: [address],
      enter: ['nsenter', `--net=${proc.root}/10/ns/net`, '--'],
    });
  });

  test('finds a pod with several interfaces, which has more addresses than its status says', async () => {
    const places = placesWith(pause({ addresses: [address, '192.168.7.7'] }));
    expect(await places.find(podWith())).toMatchObject({ networkNamespace: 'net:[4026532008]' });
  });

  test("is not misled by a browser's sandbox without a network", async () => {
    const place = await placesWith(pause(), inContainer('abc', { network: 77, addresses: ['127.0.0.1'] })).find(
      podWith(),
    );
    expect(place.networkNamespace).toBe('net:[4026532008]');
    expect(await place.processes()).toHaveLength(2);
  });

  test('does not take a later process with the same number for the one by which it found the pod', async () => {
    const places = placesWith(pause());
    await places.find(podWith());
    for (const changed of [
      { cgroup: '0::/kubepods/pod7/x\n' },
      { addresses: ['10.244.0.6'] },
      { network: NODE_NETWORK },
    ]) {
      proc.remove(10);
      proc.add(pause({ startTime: 9_999, ...changed }));
      await expect(places.find(podWith())).rejects.toThrow(RefusedError);
    }
    proc.remove(10);
    proc.add(pause({ startTime: 9_999, network: 99 }));
    expect((await places.find(podWith())).networkNamespace).toBe('net:[99]');
  });

  test('finds a pod of which only the pause process is left, as between two runs of its container', async () => {
    expect(await placesWith(pause()).find(podWith())).toMatchObject({ networkNamespace: 'net:[4026532008]' });
  });

  test('finds a pod of an ordinary runtime that has a runtimeClassName', async () => {
    const pod = podWith(({ spec }) => {
      spec.runtimeClassName = 'nvidia';
    });
    await placesWith(inContainer('abc')).find(pod);
    proc.close();
    await placesWith(pause()).find(pod);
  });

  test('finds a pod that runs virtual machines itself (KubeVirt)', async () => {
    await placesWith(pause({ name: 'x' }), inContainer('abc', { name: 'qemu-system-x86' })).find(podWith());
  });

  test.each<[string, (pod: KubeObject) => void, RegExp]>([
    ["is in the node's network", ({ spec }) => Object.assign(spec, { hostNetwork: true }), /hostNetwork/],
    [
      'is static',
      ({ metadata }) => Object.assign(metadata, { annotations: { 'kubernetes.io/config.source': 'file' } }),
      /static pod/,
    ],
    [
      'is the mirror of a static one',
      ({ metadata }) =>
        Object.assign(metadata, { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n', uid: 'u' }] }),
      /static pod/,
    ],
    ['has no address', ({ status }) => Object.assign(status, { podIPs: undefined }), /no address yet/],
  ])('refuses a pod that %s', async (_, change, message) => {
    const found = placesWith(pause(), inContainer('abc')).find(podWith(change));
    await expect(found).rejects.toThrow(RefusedError);
    await expect(found).rejects.toThrow(message);
  });

  test.each<[string, ProcEntry[], RegExp]>([
    ['no process is left of', [], /no process of shop\/cart is to be seen on this node/],
    ['only zombies are left of', [inContainer('abc', { state: 'Z', network: undefined })], /no process of/],
    [
      'only processes in the network of the node are left of',
      [inContainer('abc', { network: NODE_NETWORK })],
      /no process of/,
    ],
    [
      'a UID only begins like that of',
      [inContainer('abc', { cgroup: `0::/kubepods/pod${uid}0/abc\n` })],
      /no process of/,
    ],
    [
      'another address is in the network of',
      [inContainer('abc', { addresses: ['10.244.0.55'] })],
      /none holds its addresses 10\.244\.0\.5/,
    ],
    ['two networks hold the address of', [pause(), inContainer('abc', { network: 77 })], /more than one holds/],
  ])('refuses a pod when %s it', async (_, entries, message) => {
    const found = placesWith(...entries).find(podWith());
    await expect(found).rejects.toThrow(RefusedError);
    await expect(found).rejects.toThrow(message);
  });

  test.each<[string, ProcEntry[], string | undefined]>([
    ['Kata Containers', [inContainer('pause', { name: 'qemu-system-x86' })], 'kata'],
    [
      'Kata Containers as the default',
      [inContainer('pause', { name: 'cloud-hypervisor' }), inContainer('pause', { pid: 5, name: 'virtiofsd' })],
      undefined,
    ],
    ['gVisor, which takes the addresses away', [inContainer('pause', { name: 'exe', addresses: [] })], 'gvisor'],
    ['an unknown sandbox', [inContainer('pause', { name: 'vmm' })], 'confidential'],
  ])('refuses a pod in %s, and points to the sidecar', async (_, entries, runtimeClassName) => {
    const pod = podWith(({ spec }) => Object.assign(spec, { runtimeClassName }));
    await expect(placesWith(...entries).find(pod)).rejects.toThrow(
      /sandbox such as Kata Containers or gVisor .*Sidecar/,
    );
  });

  test('takes a pod without processes for gone when it has ended or is being deleted', async () => {
    const places = placesWith();
    const ended = podWith(({ status }) => Object.assign(status, { phase: 'Succeeded' }));
    const deleted = podWith(({ metadata }) => Object.assign(metadata, { deletionTimestamp: '2026-11-20T10:00:00Z' }));
    for (const pod of [ended, deleted]) await expect(places.find(pod)).rejects.toThrow(TargetGoneError);
  });

  test('refuses everything when it cannot tell which network is that of the node', async () => {
    const places = placesWith(pause());
    for (const pid of [1, 2]) proc.remove(pid);
    await expect(places.find(podWith())).rejects.toThrow(/needs hostPID and SYS_PTRACE/);
  });
});

describe('Place.processes', () => {
  test('names containers of all kinds and all runtimes, and what is further down in them', async () => {
    const pod = podWith(({ status }) => {
      Object.assign(status, {
        containerStatuses: [{ name: 'app', containerID: 'containerd://aaa' }],
        initContainerStatuses: [{ name: 'proxy', containerID: 'cri-o://bbb' }],
        ephemeralContainerStatuses: [{ name: 'debug', containerID: 'docker://ccc' }],
      });
    });
    const found = await processesOf(
      pod,
      inContainer('aaa', { pid: 11, startTime: 50, name: 'a (b) c)', commandLine: '/bin/a --x y', innerPids: [1] }),
      inContainer('', { pid: 12, startTime: 51, cgroup: `0::${slice}/crio-bbb.scope/container\n`, innerPids: [7] }),
      inContainer('', { pid: 13, startTime: 52, cgroup: `8:pids:/kubepods/pod${uid}/ccc\n`, innerPids: [] }),
      inContainer('', {
        pid: 14,
        startTime: 53,
        cgroup: `0::${slice}/cri-containerd-aaa.scope/docker/x\n`,
        innerPids: [30, 1],
        network: 99,
      }),
      inContainer('new', { pid: 15, startTime: 54 }),
    );
    expect(found.map(({ pid, container, ephemeral, innerPid }) => [pid, container, ephemeral, innerPid])).toEqual([
      [11, 'app', false, 1],
      [12, 'proxy', false, 7],
      [13, 'debug', true, 13],
      [14, 'app', false, 30],
      [15, undefined, false, 1],
    ]);
    expect(found[0]).toMatchObject({ name: 'a (b) c)', commandLine: '/bin/a --x y', startTime: '50' });
  });

  test('knows the last run of a container, too', async () => {
    const pod = podWith(({ status }) => {
      status.containerStatuses = [{ name: 'app', lastState: { terminated: { containerID: 'containerd://old' } } }];
    });
    expect(await processesOf(pod, inContainer('old'))).toMatchObject([{ container: 'app' }]);
  });

  test("leaves out CRI-O's conmon, the runtime's helpers in the node's network, zombies and threads of the kernel", async () => {
    const helper = (pid: number, rest: Partial<ProcEntry>) => inContainer('abc', { pid, ...rest });
    const found = await processesOf(
      podWith(),
      helper(21, { name: 'conmon', cgroup: `0::${slice}/crio-conmon-abc.scope\n`, network: NODE_NETWORK }),
      helper(22, { name: 'conmon', cgroup: `0::${slice}\n`, network: NODE_NETWORK }),
      helper(23, { name: 'runc:[2:INIT]', network: NODE_NETWORK }),
      helper(24, { state: 'Z', network: undefined }),
      helper(25, { name: 'vhost-1234', flags: 0x0020_8040 }),
      helper(26, { name: 'app' }),
    );
    expect(found.map(({ pid }) => pid)).toEqual([26]);
  });

  test('sees a process whose first thread has ended before the others', async () => {
    const found = await processesOf(podWith(), inContainer('abc', { state: 'Z', threads: 5, network: undefined }));
    expect(found).toMatchObject([{ pid: 100, container: 'app' }]);
  });

  test('cuts long command lines', async () => {
    const found = await processesOf(podWith(), inContainer('abc', { commandLine: 'x'.repeat(10_000) }));
    expect(found[0]?.commandLine.length).toBe(4096);
  });
});

describe('NodePlaces.isGone', () => {
  test('is so after a reboot', async () => {
    expect(await placesWith(pause()).isGone({ ...known, bootId: 'another' })).toBe(true);
  });

  test('is not so while any process of the pod is in the namespace', async () => {
    expect(await placesWith(inContainer('abc')).isGone(known)).toBe(false);
  });

  test('is so when the pod has another namespace now, or the number is that of another pod', async () => {
    expect(await placesWith(pause({ network: 99 })).isGone(known)).toBe(true);
    proc.close();
    expect(await placesWith(pause({ cgroup: '0::/kubepods/pod7/x\n' })).isGone(known)).toBe(true);
  });

  test('is not so while the runtime keeps the namespace for the next container', async () => {
    const places = placesWith();
    mkdirSync(join(proc.root, '1'), { recursive: true });
    writeFileSync(
      join(proc.root, '1/mountinfo'),
      '77 30 0:4 net:[4026532008] /run/netns/cni-1 rw shared:9 - nsfs nsfs rw\n',
    );
    expect(await places.isGone(known)).toBe(false);
    expect(await places.isGone({ ...known, networkNamespace: 'net:[402653200]' })).toBe(true);
  });
});
