import { describe, expect, test } from '@jest/globals';
import { cgroupMounts } from './cgroups.js';

describe('the hierarchies that a sandbox makes cgroups in', () => {
  test.each([
    [
      'of version 1 are those that limit nothing',
      `30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 30 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
33 30 0:29 / /sys/fs/cgroup/systemd rw shared:9 - cgroup cgroup rw,xattr,name=systemd
34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw`,
      ['/sys/fs/cgroup/pids', '/sys/fs/cgroup/systemd'],
    ],
    [
      'of version 2 are the only one',
      '30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate',
      ['/sys/fs/cgroup'],
    ],
    ['are none where none is mounted', '30 24 0:26 / /proc rw - proc proc rw', []],
  ])('%s', (_which, mountinfo, mounts) => {
    expect(cgroupMounts(mountinfo)).toEqual(mounts);
  });
});
