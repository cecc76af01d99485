// SPDX-License-Identifier: Apache-2.0
/** The packet tap through the addon, on loopback where this process may; and what it does with nonsense. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

import { describe, expect, it } from 'vitest';

import { loadAddon } from '../../src/dataplane/native.js';
import { tappedPackets, type TappedPacket } from '../../src/dataplane/packet-tap.js';

const addon = loadAddon();
const { PacketTap } = addon;
if (PacketTap === undefined) throw new Error('the addon has no packet taps');
const Tap = PacketTap;
const interfaceIndex = (name: string): number | undefined => addon.interfaceIndex?.(name);

/** Everything, cut to `snaplen`. */
const all = (snaplen: number): Uint32Array => Uint32Array.of(0x06, 0, 0, snaplen);

function mayTap(): boolean {
  try {
    new Tap(all(0), () => undefined).close();
    return true;
  } catch {
    return false;
  }
}

describe('the packet tap', () => {
  it('takes no nonsense', () => {
    expect(() => new Tap(1 as never, () => undefined)).toThrow('needs (program, receive)');
    expect(() => new Tap(new Uint8Array(8) as never, () => undefined)).toThrow('needs (program');
    expect(() => new Tap(all(9), null as never)).toThrow('needs (program, receive)');
    expect(interfaceIndex(7 as never)).toBe(0);
    expect(interfaceIndex('no such interface')).toBe(0);
    expect(interfaceIndex('lo')).toBeGreaterThan(0);
  });

  it.skipIf(!mayTap())('refuses a program that the kernel refuses, and works on with the old one', () => {
    expect(() => new Tap(Uint32Array.of(), () => undefined)).toThrow('EINVAL');
    expect(() => new Tap(new Uint32Array(4 * 5000), () => undefined)).toThrow('EINVAL');
    const tap = new Tap(all(0), () => undefined);
    expect(() => tap.filter(Uint32Array.of(0x05, 0, 0, 7))).toThrow('EINVAL');
    tap.filter(all(64));
    tap.close();
    tap.close();
    expect(() => tap.filter(all(1))).toThrow('EBADF');
    expect(tap.dropped()).toBe(0);
  });

  it.skipIf(!mayTap())('shows a datagram whole, on its way out and on its way in, and cut', async () => {
    const receiver = createSocket('udp4').bind(0, '127.0.0.1');
    await once(receiver, 'listening');
    const port = receiver.address().port;
    const payload = Buffer.alloc(300, 'vsnat');
    const seen: TappedPacket[] = [];
    const tap = new Tap(all(65_535), (bytes, facts) => {
      const ours = tappedPackets(bytes, facts).filter(
        (one) => one.bytes[9] === 17 && Buffer.from(one.bytes).readUInt16BE(22) === port,
      );
      seen.push(...ours);
    });
    const before = Date.now() / 1000;
    const sender = createSocket('udp4');
    const until = async (count: number): Promise<void> => {
      for (const deadline = Date.now() + 10_000; seen.length < count && Date.now() < deadline;)
        await new Promise((resolve) => setTimeout(resolve, 5));
    };
    try {
      sender.send(payload, port, '127.0.0.1');
      await until(2);
      tap.filter(all(48));
      sender.send(payload, port, '127.0.0.1');
      await until(4);
    } finally {
      tap.close();
      sender.close();
      receiver.close();
    }
    expect(seen.map(({ outgoing, bytes }) => [outgoing, bytes.length])).toEqual([
      [true, 328],
      [false, 328],
      [true, 48],
      [false, 48],
    ]);
    for (const one of seen) {
      expect([one.length, one.interface]).toEqual([328, interfaceIndex('lo')]);
      expect(Math.abs(one.seconds + one.nanoseconds / 1e9 - before)).toBeLessThan(30);
    }
    expect(Buffer.from(seen[0]?.bytes ?? []).subarray(28)).toEqual(payload);
  });
});
