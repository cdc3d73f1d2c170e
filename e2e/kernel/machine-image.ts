import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { KernelPackage } from './kernel-package.js';
import { output } from './output.js';

/** What the machine can run, taken from this one. Whatever else a shell needs is busybox's. */
const programs = ['ip', 'tc', 'nft', 'ping', 'nsenter', 'unshare', 'sleep', 'cat'];
/** In the order they depend on each other. */
const diskModules = [
  'virtio/virtio_ring',
  'virtio/virtio',
  'virtio/virtio_pci_modern_dev',
  'virtio/virtio_pci_legacy_dev',
  'virtio/virtio_pci',
  'block/virtio_blk',
];
/** Tables of the distributions that netem draws delays from; each distribution has its own place for them. */
const tables = ['/usr/lib/tc', '/usr/lib/x86_64-linux-gnu/tc', '/usr/share/tc', '/usr/lib64/tc'];
const firstInit = fileURLToPath(new URL('./first-init.sh', import.meta.url));
const init = fileURLToPath(new URL('./init.sh', import.meta.url));

/** The files that a machine boots from. */
export interface MachineImage {
  /** Loads the disk's driver and goes on there. */
  initramfs: string;
  /** An ext4 file system with Node and the network tools of this machine. */
  disk: string;
}

/** Makes the files that a machine boots from, anew only when a program or the kernel changed. */
export async function machineImage(cache: string, kernel: KernelPackage): Promise<MachineImage> {
  const files = [await which('busybox'), process.execPath, ...(await Promise.all(programs.map(which)))];
  const hash = createHash('sha256').update(kernel.modules);
  for (const file of files)
    hash.update(`${file} ${realpathSync(file)} ${statSync(file).size} ${statSync(file).mtimeMs}\n`);
  for (const file of [firstInit, init]) hash.update(readFileSync(file));
  const folder = join(cache, `image-${hash.digest('hex').slice(0, 16)}`);
  const image = { initramfs: join(folder, 'initramfs'), disk: join(folder, 'disk') };
  if (existsSync(folder)) return image;
  const work = await mkdtemp(join(cache, 'image-'));
  try {
    const made = join(work, 'made');
    await mkdir(made);
    await makeInitramfs(join(work, 'initramfs'), join(made, 'initramfs'), kernel);
    await fillDisk(join(work, 'disk'), files, kernel);
    await makeDisk(join(work, 'disk'), join(made, 'disk'), { spareMegabytes: 64 });
    await rename(made, folder);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return image;
}

/** Makes an ext4 file system of a folder, without mounting anything. */
export async function makeDisk(
  folder: string,
  file: string,
  { spareMegabytes = 4 }: { spareMegabytes?: number } = {},
): Promise<void> {
  const [kibibytes] = (await output('du', ['-sk', folder])).split('\t');
  const size = Math.ceil(Number(kibibytes) * 1.1) + spareMegabytes * 1024;
  await output('mke2fs', ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-d', folder, file, `${size}k`], {
    seconds: 60,
  });
}

async function which(program: string): Promise<string> {
  for (const folder of ['/usr/sbin', '/usr/bin', '/sbin', '/bin', ...(process.env.PATH ?? '').split(':')]) {
    const file = join(folder, program);
    if (existsSync(file)) return file;
  }
  throw new Error(`no program ${program} on this machine`);
}

async function makeInitramfs(folder: string, file: string, kernel: KernelPackage): Promise<void> {
  for (const name of ['bin', 'dev', 'disk', 'modules']) await mkdir(join(folder, name), { recursive: true });
  await cp(realpathSync(await which('busybox')), join(folder, 'bin/busybox'));
  await writeFile(join(folder, 'init'), readFileSync(firstInit), { mode: 0o755 });
  for (const module of diskModules)
    await cp(join(kernel.modules, `kernel/drivers/${module}.ko`), join(folder, 'modules', `${basename(module)}.ko`));
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  await writeFile(`${folder}.names`, `${names.join('\n')}\n`);
  await output('sh', ['-c', 'busybox cpio -o -H newc <"$1" >"$2"', 'sh', `${folder}.names`, file], { cwd: folder });
}

async function fillDisk(folder: string, files: readonly string[], kernel: KernelPackage): Promise<void> {
  for (const name of [
    'usr/bin',
    'usr/sbin',
    'usr/lib',
    'usr/lib64',
    'dev',
    'proc',
    'sys',
    'run',
    'tmp',
    'root',
    'etc',
    'suite',
    'opt/busybox',
  ])
    await mkdir(join(folder, name), { recursive: true });
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) await symlink(`usr/${name}`, join(folder, name));
  const [busybox = '', node = '', ...tools] = files;
  for (const file of [busybox, ...tools, ...(await libraries([node, ...tools]))])
    await copyFile(file, join(folder, file));
  await copyFile(node, join(folder, 'usr/bin/node'));
  if (!existsSync(join(folder, 'bin/busybox'))) await copyFile(busybox, join(folder, 'bin/busybox'));
  for (const applet of (await output('busybox', ['--list'])).trim().split('\n'))
    await symlink('/bin/busybox', join(folder, 'opt/busybox', applet));
  // Where the kernel looks for it when it needs a module.
  await symlink('/bin/busybox', join(folder, 'sbin/modprobe'));
  await writeFile(join(folder, 'sbin/init'), readFileSync(init));
  await chmod(join(folder, 'sbin/init'), 0o755);
  for (const table of tables.filter((each) => existsSync(each)))
    await cp(table, join(folder, table), { recursive: true });
  await cp(kernel.modules, join(folder, 'usr/lib/modules', kernel.release), { recursive: true });
}

/** Paths of all shared libraries of some programs, the loader among them. */
async function libraries(files: readonly string[]): Promise<Set<string>> {
  const listed = await output('ldd', files);
  return new Set([...listed.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(([, file]) => file ?? ''));
}

async function copyFile(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await cp(realpathSync(from), to);
}
