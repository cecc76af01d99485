// SPDX-License-Identifier: Apache-2.0
/**
 * What must be so before the device is opened, each with the command that mends it. vsnat never sets a sysctl that
 * belongs to the whole host: turning a machine into a router is the administrator's decision.
 */
import { VsnatError } from '../errors.js';
import { holdersOfTun } from './holders.js';
import type { HostModel } from './plan-context.js';
import { ipJson } from './state.js';
import { versionOf, type IpVersion } from './step.js';
import { realSystem, type System } from './system.js';

/** Where sentences about the host go. */
export interface HostLog {
  info(message: string): void;
  warn(message: string): void;
}

const capNetAdmin = 1n << 12n; // linux/capability.h

/** Throws a VsnatError (exit code 4) when the daemon could not work on this host. Changes nothing. */
export async function preflight(
  model: HostModel,
  options: { readonly log?: HostLog; readonly system?: System } = {},
): Promise<void> {
  const { log, system = realSystem } = options;
  await checkTunDriver(system);
  await checkCapability(system);
  await checkDeviceIsFree(model.tun.name, system);
  await ipJson(system, 'link', 'show', 'dev', 'lo'); // iproute2 present, and able to speak JSON
  await checkForwarding(model, system);
  if (log !== undefined) await warnOfTraps(log, system);
}

async function checkTunDriver(system: System): Promise<void> {
  if ((await system.list('/dev/net')).includes('tun')) return;
  throw new VsnatError(
    'VSNAT_NO_TUN',
    'host: /dev/net/tun is missing; run: modprobe tun; mkdir -p /dev/net && mknod /dev/net/tun c 10 200 ' +
      '(in a container: start it with --device /dev/net/tun)',
  );
}

async function checkCapability(system: System): Promise<void> {
  const status = (await system.read('/proc/self/status')) ?? '';
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  // Without the line (hidden /proc) the kernel will answer the question when the device is opened.
  if (effective === undefined || (BigInt(`0x${effective}`) & capNetAdmin) !== 0n) return;
  throw new VsnatError(
    'VSNAT_NO_PERMISSION',
    'host: CAP_NET_ADMIN is missing; run as root, or give it to the service ' +
      '(systemd: AmbientCapabilities=CAP_NET_ADMIN; container: --cap-add NET_ADMIN)',
  );
}

async function checkDeviceIsFree(name: string, system: System): Promise<void> {
  const existing = await system.list(`/sys/class/net/${name}`);
  if (existing.length === 0) return;
  if (!existing.includes('tun_flags'))
    throw new VsnatError(
      'VSNAT_DEVICE_BUSY',
      `host: an interface named ${name} exists and is no TUN device; choose another tun.name`,
    );
  const holders = await holdersOfTun(name, system);
  if (holders.length === 0) throw await deviceWithoutHolder(name, system);
  throw new VsnatError(
    'VSNAT_DEVICE_BUSY',
    `host: the TUN device ${name} belongs to process ${holders.map((h) => `${h.pid} (${h.command})`).join(', ')}; ` +
      `stop it (kill ${holders.map((h) => h.pid).join(' ')}) or choose another tun.name`,
  );
}

/** linux/if_tun.h: what /sys/class/net/NAME/tun_flags is made of. */
const tunFlags = { tap: 0x0002, multiQueue: 0x0100, persist: 0x0800 };

/**
 * The device is opened with IFF_TUN_EXCL, so one made beforehand with `ip tuntap add` is in the way even when it is
 * free: its owner, group and offloads would be somebody else's choice.
 */
async function deviceWithoutHolder(name: string, system: System): Promise<VsnatError> {
  const flags = Number((await system.read(`/sys/class/net/${name}/tun_flags`))?.trim() ?? tunFlags.persist);
  if ((flags & tunFlags.persist) === 0)
    return new VsnatError(
      'VSNAT_DEVICE_BUSY',
      `host: the TUN device ${name} belongs to a process that cannot be seen from here (another pid namespace, or ` +
        'one that is just ending); stop it or choose another tun.name',
    );
  const kind = (flags & tunFlags.tap) === 0 ? 'tun' : 'tap';
  const queues = (flags & tunFlags.multiQueue) === 0 ? '' : ' multi_queue';
  return new VsnatError(
    'VSNAT_DEVICE_BUSY',
    `host: a device named ${name} was made beforehand and no process holds it; vsnat makes its own, ` +
      `so run: ip tuntap del dev ${name} mode ${kind}${queues}`,
  );
}

/** Throws unless the kernel forwards packets of every family that the model's services use. */
export async function checkForwarding(model: HostModel, system: System): Promise<void> {
  const versions = new Set(
    model.services.flatMap((s) => s.listen.map((listen) => versionOf(listen.address))),
  );
  for (const version of versions) {
    const key = forwardingKey(version);
    const value = (await system.read(`/proc/sys/${key}`))?.trim();
    if (value === '1') continue;
    const name = key.replaceAll('/', '.');
    if (value === undefined) {
      // Absent IPv6 is certain; an unreadable /proc/sys is not evidence against IPv4 forwarding.
      if (version === 4) continue;
      throw new VsnatError(
        'VSNAT_HOST_REFUSED',
        'host: there are IPv6 services, but this kernel has no IPv6; remove them or boot without ipv6.disable=1',
      );
    }
    throw new VsnatError(
      'VSNAT_HOST_REFUSED',
      `host: the kernel does not forward IPv${version} packets, got ${name}=${value}; run: sysctl -w ${name}=1`,
    );
  }
}

const forwardingKey = (version: IpVersion): string =>
  version === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding';

/** Settings under which vsnat works, but not every client may: said once, at start. */
async function warnOfTraps(log: HostLog, system: System): Promise<void> {
  const conf = '/proc/sys/net/ipv4/conf';
  const isOn = async (name: string, key: string): Promise<boolean> =>
    (await system.read(`${conf}/${name}/${key}`))?.trim() === '1';
  const all = await isOn('all', 'rp_filter');
  const strict: string[] = [];
  const deaf: string[] = [];
  for (const name of await system.list('/sys/class/net')) {
    if (name === 'lo') continue;
    const own = (await system.read(`${conf}/${name}/rp_filter`))?.trim();
    if (own === '1' || (all && own === '0')) strict.push(name); // the kernel takes the larger of all and own
    if ((await system.read(`${conf}/${name}/forwarding`))?.trim() === '0') deaf.push(name);
  }
  // With one interface, or one way out, strict filtering never meets an asymmetric route.
  const defaults = await ipJson(system, '-4', 'route', 'show', 'default');
  if (strict.length > 1 && defaults.length > 1)
    log.warn(
      `host: rp_filter is strict on ${strict.join(', ')} and there are ${defaults.length} default routes; clients whose ` +
        'packets arrive on another interface than the one that leads back to them are dropped by the kernel ' +
        '(sysctl -w net.ipv4.conf.<interface>.rp_filter=2)',
    );
  if (deaf.length > 0)
    log.warn(
      `host: forwarding is off on ${deaf.join(', ')}; packets that arrive there do not reach virtual services ` +
        '(sysctl -w net.ipv4.conf.<interface>.forwarding=1)',
    );
}
