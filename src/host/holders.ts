// SPDX-License-Identifier: Apache-2.0
/**
 * Who holds a TUN device open. The kernel shows the device's name in /proc/PID/fdinfo/FD of every descriptor of
 * /dev/net/tun (tun_chr_show_fdinfo, "iff:"), which beats guessing from command lines.
 */
import type { System } from './system.js';

export interface Holder {
  readonly pid: number;
  readonly command: string;
}

export async function holdersOfTun(name: string, system: System): Promise<readonly Holder[]> {
  const here = await system.link('/proc/self/ns/net');
  const holders: Holder[] = [];
  for (const pid of await system.list('/proc')) {
    // The same name in another network namespace is another device.
    if (!/^\d+$/.test(pid) || (await system.link(`/proc/${pid}/ns/net`)) !== here) continue;
    if (await holds(pid, name, system)) {
      const command = (await system.read(`/proc/${pid}/comm`))?.trim() ?? '?';
      holders.push({ pid: Number(pid), command });
    }
  }
  return holders;
}

async function holds(pid: string, name: string, system: System): Promise<boolean> {
  for (const fd of await system.list(`/proc/${pid}/fd`)) {
    if ((await system.link(`/proc/${pid}/fd/${fd}`)) !== '/dev/net/tun') continue;
    const info = (await system.read(`/proc/${pid}/fdinfo/${fd}`)) ?? '';
    if (/^iff:\s*(\S+)/m.exec(info)?.[1] === name) return true;
  }
  return false;
}
