import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { output } from './output.js';

/** Debian's kernel for virtual machines: it has netem, HTB, ifb, nft, ext4 and virtio. */
const META_PACKAGE = 'linux-image-cloud-amd64';

/** A kernel that was unpacked and is installed nowhere. */
export interface KernelPackage {
  /** Such as `6.1.0-56-cloud-amd64`. */
  release: string;
  /** The compressed kernel. */
  image: string;
  /** The folder of its modules, with an index of what depends on what. */
  modules: string;
}

/**
 * Brings the kernel that Debian's package sources name now, downloaded once for each version.
 *
 * @param cache a folder that is kept between runs
 * @throws Error saying what to do when there is no such package
 */
export async function kernelPackage(cache: string): Promise<KernelPackage> {
  const name = await packageName();
  const described = await output('apt-cache', ['show', '--no-all-versions', name]);
  const version = /^Version: (.+)$/m.exec(described)?.[1] ?? '';
  const folder = join(cache, `${name}_${version.replaceAll(/[^\w.+~-]/g, '_')}`);
  if (!existsSync(folder)) await unpack(name, cache, folder);
  const [release] = readdirSync(join(folder, 'lib/modules'));
  if (release === undefined) throw new Error(`the package ${name} holds no modules: ${folder}`);
  return { release, image: join(folder, `boot/vmlinuz-${release}`), modules: join(folder, 'lib/modules', release) };
}

async function packageName(): Promise<string> {
  const depends = await output('apt-cache', ['depends', META_PACKAGE]).catch(() => '');
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (name === undefined)
    throw new Error(`no package ${META_PACKAGE}: run \`apt-get update\` on Debian for amd64, with its package sources`);
  return name;
}

async function unpack(name: string, cache: string, folder: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'download-'));
  try {
    await output('apt-get', ['download', '--quiet', name], { cwd: work, seconds: 180 });
    const archive = readdirSync(work).find((file) => file.endsWith('.deb'));
    if (archive === undefined) throw new Error(`\`apt-get download ${name}\` brought nothing`);
    const unpacked = join(work, 'unpacked');
    await output('dpkg-deb', ['-x', archive, unpacked], { cwd: work, seconds: 60 });
    const [release = ''] = readdirSync(join(unpacked, 'lib/modules'));
    // The package makes this index only where it is installed.
    await output('busybox', ['depmod', '-b', '.', release], { cwd: unpacked, seconds: 60 });
    await rename(unpacked, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
