import { expect, test } from '@jest/globals';
import { cgroupFolder } from './leave-cgroups.js';

const systemd = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot';
const hybrid = [
  '31 23 0:27 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755',
  '32 31 0:28 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw',
  '33 31 0:29 / /sys/fs/cgroup/systemd rw shared:10 - cgroup cgroup rw,xattr,name=systemd',
  '34 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct',
].join('\n');

test.each([
  ['0::/init.scope', systemd, '/sys/fs/cgroup/init.scope'],
  ['0::/', systemd, '/sys/fs/cgroup'],
  ['0::/', hybrid, '/sys/fs/cgroup/unified'],
  ['1:name=systemd:/init.scope', hybrid, '/sys/fs/cgroup/systemd/init.scope'],
  ['4:cpuacct,cpu:/', hybrid, '/sys/fs/cgroup/cpu,cpuacct'],
])('%s is the folder of that hierarchy', (line, mounts, folder) => {
  expect(cgroupFolder(line, mounts)).toBe(folder);
});

test('a mount that shows only a part is taken for what it shows', () => {
  const part = systemd.replace(' / ', ' /docker/abc ');
  expect(cgroupFolder('0::/docker/abc/init.scope', part)).toBe('/sys/fs/cgroup/init.scope');
  expect(cgroupFolder('0::/docker/abcdef', part)).toBeUndefined();
});

test('what no mount shows has no folder', () => {
  expect(cgroupFolder('9:hugetlb:/', hybrid)).toBeUndefined();
  // From a private cgroup namespace.
  expect(cgroupFolder('0::/../../init.scope', systemd)).toBeUndefined();
});
