// SPDX-License-Identifier: Apache-2.0
/**
 * A TUN device of the package tuntap2 (github.com/PupilTong/node-tuntap2), for whom already has one: its devices are packet
 * streams. It is an optional peer dependency, looked for when somebody asks; not every registry has it. It reads one packet
 * after the other in Node's thread pool, has one queue and no offloads, so a network is served by Director.tun().
 */
import { createRequire } from 'node:module';

import { VsnatError, said } from '../errors.js';
import type { PacketStream } from './packet-stream.js';

/** What vsnat uses of tuntap2's Tun class. Its addresses can be read only while it is up. */
export interface Tuntap2Device extends PacketStream {
  /** The kernel chose it. */
  readonly name: string;
  isUp: boolean;
  mtu: number;
  /** address/length */
  ipv4: string;
  ipv6: string;
  release(done?: () => void): unknown;
}

/** Of openTuntap2(): what the device is given before it is brought up. */
export interface Tuntap2Options {
  /** address/length, such as 10.9.0.254/24. */
  readonly ipv4?: string;
  /** address/length. */
  readonly ipv6?: string;
  readonly mtu?: number;
}

/**
 * Opens a TUN device with tuntap2, where the user has installed it, and brings it up; director.attach() serves it. Needs
 * CAP_NET_ADMIN. Throws VSNAT_DATAPLANE. Its release() waits for a read that an idle device never finishes: delete the link
 * (`ip link del NAME`) to end it.
 */
export function openTuntap2(
  { ipv4, ipv6, mtu }: Tuntap2Options = {},
  require: (id: string) => unknown = createRequire(import.meta.url),
): Tuntap2Device {
  const Tun = tunClass(require);
  try {
    const device = new Tun();
    if (mtu !== undefined) device.mtu = mtu;
    if (ipv4 !== undefined) device.ipv4 = ipv4;
    if (ipv6 !== undefined) device.ipv6 = ipv6;
    device.isUp = true;
    return device;
  } catch (cause) {
    throw refused(
      `the device cannot be opened: ${said(cause)}; it needs /dev/net/tun and CAP_NET_ADMIN`,
      cause,
    );
  }
}

function tunClass(require: (id: string) => unknown): new () => Tuntap2Device {
  let found: unknown;
  try {
    found = require('tuntap2');
  } catch (cause) {
    const isAbsent = (cause as { readonly code?: unknown } | null)?.code === 'MODULE_NOT_FOUND';
    const what = isAbsent
      ? 'must be installed to open a device through it'
      : `is there and cannot be loaded: ${said(cause)}`;
    throw refused(
      `${what}; run \`npm install tuntap2\`, or \`npm install github:PupilTong/node-tuntap2\` where the registry does not have it, or use Director.tun(), which needs neither`,
      cause,
    );
  }
  const { Tun } = (found ?? {}) as { readonly Tun?: unknown };
  if (typeof Tun === 'function') return Tun as new () => Tuntap2Device;
  throw refused(`must have a class Tun, got ${typeof Tun}; versions 0.1.0 to 0.9.1 have one`);
}

const refused = (what: string, cause?: unknown): VsnatError =>
  new VsnatError('VSNAT_DATAPLANE', `tuntap2: ${what}`, { cause });

/** tuntap2 throws strings as well. */
