// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { tapProgram, type TapWanted } from '../../../../src/cli/capture/tap-program.js';
import { parseAddress, type IpAddress } from '../../../../src/model/index.js';
import { runFilter } from './bpf.js';
import { icmpError, packet } from './packets.js';

const address = (text: string): IpAddress => {
  const parsed = parseAddress(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};

const base: TapWanted = { device: 7, leaves: 'device', addresses: null, snaplen: 1000 };
const [host, outgoing] = [0, 4];
const some = packet('tcp', '192.0.2.7:40000', '10.9.0.1:80');
const some6 = packet('tcp', '[2001:db8::7]:40000', '[2001:db8:9::1]:80');

describe('the program of the tap', () => {
  it.each([
    ['into the device', 'device', 7, outgoing, 1000],
    ['out of the device', 'device', 7, host, 1000],
    ['a card, when nothing leaves by one', 'device', 2, outgoing, 0],
    ['into the device, when frames leave elsewhere', 'everywhere', 7, outgoing, 1000],
    ['a card on its way out', 'everywhere', 2, outgoing, 1000],
    ['a card on its way in', 'everywhere', 2, host, 0],
  ] as const)('%s (%s)', (_, leaves, device, kind, kept) => {
    const program = tapProgram({ ...base, leaves });
    expect(runFilter(program, { packet: some, interface: device, kind })).toBe(kept);
  });

  it.each([
    ['192.0.2.7', some, 1000],
    ['10.9.0.1', some, 1000],
    ['192.0.2.8', some, 0],
    ['2001:db8::7', some, 0],
    ['2001:db8::7', some6, 1000],
    ['2001:db8:9::1', some6, 1000],
    ['2001:db8:9::2', some6, 0],
    ['192.0.2.7', some6, 0],
  ])('with %s alone', (wanted, bytes, kept) => {
    const program = tapProgram({ ...base, addresses: [address(wanted)] });
    expect(runFilter(program, { packet: bytes, interface: 7, kind: outgoing })).toBe(kept);
  });

  it('finds each of a thousand addresses, IPv4 and IPv6, and no other', () => {
    const addresses = Array.from({ length: 1000 }, (_, i) =>
      address(i % 4 === 0 ? `2001:db8::${(i + 1).toString(16)}` : `10.1.${i >> 8}.${i & 255}`),
    );
    const program = tapProgram({ ...base, addresses });
    expect(program.length / 4).toBeLessThanOrEqual(6000);
    for (const [i, one] of addresses.entries()) {
      const from = one.includes(':') ? `[${one}]:1` : `${one}:1`;
      const bytes = packet('udp', from, one.includes(':') ? '[2001:db9::1]:2' : '192.0.2.9:2');
      expect(runFilter(program, { packet: bytes, interface: 7, kind: host }), String(i)).toBe(1000);
    }
  });

  it('shows ICMP from anybody: what it quotes is looked at later', () => {
    const program = tapProgram({ ...base, addresses: [address('192.0.2.7')] });
    const error = icmpError('10.77.0.1', packet('tcp', '10.8.0.1:1', '10.8.0.2:2'));
    expect(runFilter(program, { packet: error, interface: 7, kind: host })).toBe(1000);
  });

  it('asks for everything where the list is longer than a program may be', () => {
    const addresses = Array.from({ length: 3000 }, (_, i) => address(`10.1.${i >> 8}.${i & 255}`));
    const program = tapProgram({ ...base, addresses });
    expect(program.length / 4).toBeLessThanOrEqual(4096);
    expect(runFilter(program, { packet: some, interface: 7, kind: host })).toBe(1000);
  });

  it.each(['', 'no', '\x50aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'])('refuses what is no IP: %j', (text) => {
    const program = tapProgram({ ...base, addresses: [address('192.0.2.7')] });
    expect(runFilter(program, { packet: Buffer.from(text), interface: 7, kind: host })).toBe(0);
  });
});
