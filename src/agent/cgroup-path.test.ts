import { describe, expect, test } from '@jest/globals';
import { cgroupInPod, isFolderOf } from './cgroup-path.js';

const uid = '3f1c2d4e-1111-4222-8333-0123456789ab';
const slice = `pod${uid.replaceAll('-', '_')}.slice`;
const id = '8'.repeat(64);
const other = '9'.repeat(64);

const direct = { container: id, nested: false };

describe('cgroupInPod', () => {
  test.each([
    [
      'version 1, a line per controller',
      `9:name=systemd:/kubepods/besteffort/pod${uid}/${id}\n8:pids:/kubepods/besteffort/pod${uid}/${id}\n`,
      direct,
    ],
    [
      'version 1 where not every hierarchy has it (hybrid)',
      `8:pids:/kubepods/pod${uid}/${id}\n3:cpuset:/\n0::/\n`,
      direct,
    ],
    ['version 2, driver cgroupfs', `0::/kubepods/burstable/pod${uid}/${id}\n`, direct],
    [
      'version 2, driver systemd',
      `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-${slice}/cri-containerd-${id}.scope\n`,
      { container: `cri-containerd-${id}.scope`, nested: false },
    ],
    [
      'driver systemd, guaranteed pod',
      `0::/kubepods.slice/kubepods-${slice}/docker-${id}.scope\n`,
      { container: `docker-${id}.scope`, nested: false },
    ],
    [
      'a prefix of the kubelet (kind)',
      `0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-${slice}/cri-containerd-${id}.scope\n`,
      { container: `cri-containerd-${id}.scope`, nested: false },
    ],
    ['a prefix of the machine', `8:pids:/docker/${other}/kubepods/besteffort/pod${uid}/${id}\n`, direct],
    ['a private cgroup namespace', `0::/../../pod${uid}/${id}\n`, direct],
    [
      'a private cgroup namespace, driver systemd',
      `0::/../../kubepods-besteffort-${slice}/cri-containerd-${id}.scope\n`,
      { container: `cri-containerd-${id}.scope`, nested: false },
    ],
    [
      'CRI-O',
      `0::/kubepods.slice/kubepods-${slice}/crio-${id}.scope\n`,
      { container: `crio-${id}.scope`, nested: false },
    ],
    [
      'CRI-O with crun',
      `0::/kubepods.slice/kubepods-${slice}/crio-${id}.scope/container\n`,
      { container: `crio-${id}.scope`, nested: false },
    ],
    ['a cgroup that was removed', `0::/kubepods/pod${uid}/${id} (deleted)\n`, direct],
    ['docker in the pod', `8:pids:/kubepods/pod${uid}/${id}/docker/${other}\n`, { container: id, nested: true }],
    ['systemd in the pod', `0::/kubepods/pod${uid}/${id}/init.scope\n`, { container: id, nested: true }],
    [
      'a kubelet in the pod',
      `0::/kubepods/pod${uid}/${id}/kubepods/pod00000000-0000-4000-8000-000000000000/${other}\n`,
      { container: id, nested: true },
    ],
    [
      'hierarchies that disagree',
      `9:a:/kubepods/pod${uid}/${id}\n8:b:/kubepods/pod${uid}/${other}\n`,
      { container: other, nested: true },
    ],
  ])('finds the container: %s', (_, text, expected) => {
    expect(cgroupInPod(text, uid)).toEqual(expected);
  });

  test.each([
    ['another pod', `0::/kubepods/pod00000000-0000-4000-8000-000000000000/${id}\n`],
    ['a pod whose UID only begins like it', `0::/kubepods/pod${uid}0/${id}\n`],
    ['a folder that only ends like it', `0::/kubepods/xpod${uid}/${id}\n0::/a/bpod${slice}/c\n`],
    ['a slice that only begins like it', `0::/kubepods-${slice.replace('.slice', '')}-x.slice/${id}\n`],
    ['the folder of the pod itself', `0::/kubepods/pod${uid}\n`],
    ["CRI-O's conmon, driver systemd", `0::/kubepods.slice/kubepods-${slice}/crio-conmon-${id}.scope\n`],
    ["CRI-O's conmon, driver cgroupfs", `0::/kubepods/pod${uid}/crio-conmon-${id}\n`],
    ['a static pod, which has its config hash there', `0::/kubepods/pod0123456789abcdef0123456789abcdef/${id}\n`],
    ['a UID in a controller name', `1:name=pod${uid}:/kubepods/x\n`],
    ['nothing', ''],
  ])('finds nothing in %s', (_, text) => {
    expect(cgroupInPod(text, uid)).toBeUndefined();
  });
});

describe('isFolderOf', () => {
  test.each([
    [id, id, true],
    [`cri-containerd-${id}.scope`, id, true],
    [`crio-${id}`, id, true],
    [`docker-${id}.scope`, id, true],
    [`${id}0`, id, false],
    [`x${id}`, id, false],
    [id, '', false],
    [`cri-containerd-${id}.scope`, other, false],
  ])('%s belongs to %s: %s', (folder, container, expected) => {
    expect(isFolderOf(folder, container)).toBe(expected);
  });
});
