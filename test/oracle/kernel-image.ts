// SPDX-License-Identifier: Apache-2.0
/**
 * Debian's own kernel with ip_vs, and an initramfs that holds all a machine needs to be a director: busybox, ip,
 * ethtool, ipvsadm, the player and the modules. Nothing of it is committed; it is made under .cache/oracle from the
 * package archive of this machine.
 */
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { must, run } from '../netns/support/process.js';
import { labScript, playerArguments } from './lab.js';
import { builtPlayer, cache } from './player.js';

/** Pinned: a trace is of one kernel. A newer one is a new recording, to be read before it is committed. */
export const kernelPackage = 'linux-image-6.12.117+deb12-amd64';
const kernelVersion = kernelPackage.replace('linux-image-', '');

const schedulers = [
  'rr',
  'wrr',
  'lc',
  'wlc',
  'sed',
  'nq',
  'fo',
  'ovf',
  'lblc',
  'lblcr',
  'dh',
  'sh',
  'mh',
  'twos',
];
const modules = [
  'virtio_pci',
  'virtio_console',
  'veth',
  'ip_vs',
  ...schedulers.map((name) => `ip_vs_${name}`),
  'ip_vs_ftp',
  'ip_vs_pe_sip',
  'nf_tables',
];
const programs = ['/sbin/ipvsadm', '/sbin/nft', '/sbin/ip', '/sbin/ethtool', '/bin/busybox'];

/** Why a kernel cannot be asked here, or null. */
export async function whatIsMissing(): Promise<string | null> {
  for (const [program, debianPackage] of [
    ['qemu-system-x86_64', 'qemu-system-x86'],
    ['busybox', 'busybox-static'],
    ['ipvsadm', 'ipvsadm'],
    ['nft', 'nftables'],
    ['modprobe', 'kmod'],
    ['depmod', 'kmod'],
    ['cpio', 'cpio'],
    ['g++', 'g++'],
    ['ethtool', 'ethtool'],
  ] as const) {
    if ((await run(['sh', '-c', `command -v ${program}`])).code !== 0)
      return `${program}; run: apt-get install ${debianPackage}`;
  }
  if (existsSync(path.join(cache, 'kernel/boot'))) return null;
  const { code, stderr } = await downloadKernel();
  return code === 0 ? null : `the package ${kernelPackage} (${stderr.trim()})`;
}

async function downloadKernel(): Promise<{ code: number | null; stderr: string }> {
  await mkdir(cache, { recursive: true });
  const script = `cd '${cache}' && { ls ${kernelPackage}_*.deb >/dev/null 2>&1 || apt-get download -q ${kernelPackage}; } &&
    rm -rf kernel.part && dpkg-deb -x ${kernelPackage}_*.deb kernel.part && depmod -b kernel.part ${kernelVersion} &&
    rm -rf kernel && mv kernel.part kernel`;
  return run(['sh', '-c', script], { timeoutMs: 300_000 });
}

export interface Image {
  readonly kernel: string;
  readonly initramfs: string;
  /** What the header of a trace says about its origin. */
  readonly origin: string;
}

/** Makes the machine's disk in memory. `vips` are the addresses the director's host has. */
export async function buildImage(vips: readonly string[]): Promise<Image> {
  const root = path.join(cache, 'initramfs');
  const [bin, lib] = [path.join(root, 'bin'), path.join(root, 'lib')];
  await rm(root, { recursive: true, force: true });
  for (const folder of ['bin', 'lib', 'lib64', 'modules', 'proc', 'sys', 'dev', 'run/netns', 'tmp', 'etc'])
    await mkdir(path.join(root, folder), { recursive: true });
  for (const program of programs) await copyWithLibraries(program, bin, lib, root);
  await copyFile(await builtPlayer(), path.join(bin, 'player'));
  const order = await copyModules(path.join(root, 'modules'));
  // busybox's shell would take its own applet named ip.
  await writeFile(path.join(root, 'lab.sh'), `ip() { /bin/ip "$@"; }\n${labScript('', vips)}`);
  await writeFile(path.join(root, 'init'), initScript(order));
  await chmod(path.join(root, 'init'), 0o755);
  const initramfs = path.join(cache, 'initramfs.gz');
  await must(['sh', '-c', `cd '${root}' && find . | cpio -o -H newc --quiet | gzip -1 > '${initramfs}'`]);
  const ipvsadm = (await must(['dpkg-query', '-W', '-f', '${Version}', 'ipvsadm'])).trim();
  return {
    kernel: path.join(cache, `kernel/boot/vmlinuz-${kernelVersion}`),
    initramfs,
    origin: `Linux ${kernelVersion} (Debian package ${await packageVersion()}), ipvsadm ${ipvsadm}`,
  };
}

async function packageVersion(): Promise<string> {
  const file = (await readdir(cache)).find((name) => name.startsWith(`${kernelPackage}_`)) ?? '';
  return decodeURIComponent(file.split('_')[1] ?? 'unknown');
}

async function copyWithLibraries(program: string, bin: string, lib: string, root: string): Promise<void> {
  await copyFile(program, path.join(bin, path.basename(program)));
  for (const [, file = ''] of (await run(['ldd', program])).stdout.matchAll(/(\/\S+) \(0x/g)) {
    const target = file.startsWith('/lib64/') ? path.join(root, file) : path.join(lib, path.basename(file));
    await copyFile(file, target);
  }
}

async function copyModules(to: string): Promise<readonly string[]> {
  const files: string[] = [];
  for (const module of modules) {
    const shown = await must([
      'modprobe',
      '-d',
      path.join(cache, 'kernel'),
      '-S',
      kernelVersion,
      '--show-depends',
      module,
    ]);
    for (const [, file = ''] of shown.matchAll(/^insmod (\S+)/gm))
      if (!files.includes(file)) files.push(file);
  }
  const names: string[] = [];
  for (const file of files) {
    const name = path.basename(file).replace(/\.xz$/, '');
    const target = path.join(to, name);
    if (file.endsWith('.xz')) await must(['sh', '-c', `xz -dc '${file}' > '${target}'`]);
    else await copyFile(file, target);
    names.push(name);
  }
  return names;
}

/** The port's far end is a socket of the harness (kernel-world.ts). */
const initScript = (order: readonly string[]): string => `#!/bin/busybox sh
export PATH=/bin LD_LIBRARY_PATH=/lib
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mkdir -p /run/netns
for module in ${order.join(' ')}; do insmod /modules/$module || echo "oracle: insmod $module failed"; done
sh /lab.sh || echo "oracle: the lab was not built"
for port in /dev/vport*; do player ${playerArguments('').join(' ')} <>$port >&0; done
poweroff -f
`;
