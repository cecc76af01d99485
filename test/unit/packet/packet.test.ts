// SPDX-License-Identifier: Apache-2.0
/** Packets made and read: each by the other, and the checksums by a slow reference. */
import { describe, expect, it } from 'vitest';

import { endpoint } from '../../../src/model/index.js';
import { firstPacket, tcpPacket, udpPacket } from '../../../src/packet/build.js';
import { readPacket } from '../../../src/packet/read.js';

const [client, vip] = ['198.51.100.7:40000', '192.0.2.10:80'];
const [client6, vip6] = ['[2001:db8::7]:40000', '[2001:db8::1]:53'];

/** RFC 1071 §1 to the letter: whole words are added, and the carry after each. */
function sumOf(bytes: readonly number[]): number {
  const even = bytes.length % 2 === 0 ? bytes : [...bytes, 0];
  let sum = 0;
  for (let at = 0; at < even.length; at += 2) {
    sum += (even[at] ?? 0) * 256 + (even[at + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

/** Whether what a receiver adds up is all ones: pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1) and what follows. */
function isWhole(packet: Uint8Array): boolean {
  const isIpv4 = packet[0] === 0x45;
  const header = isIpv4 ? 20 : 40;
  const addresses = packet.subarray(isIpv4 ? 12 : 8, header);
  const transport = packet.subarray(header);
  const pseudo = [
    ...addresses,
    0,
    packet[isIpv4 ? 9 : 6] ?? 0,
    transport.length >> 8,
    transport.length & 255,
  ];
  const headerIsRight = !isIpv4 || sumOf([...packet.subarray(0, 20)]) === 0xffff;
  return headerIsRight && sumOf([...pseudo, ...transport]) === 0xffff;
}

describe('a packet that was made', () => {
  it.each([
    ['a SYN', tcpPacket(client, vip)],
    ['a SYN over IPv6', tcpPacket(client6, vip6)],
    ['data', tcpPacket(client, vip, { flags: ['psh', 'ack'], seq: 7, ack: 2 ** 32 - 1, payload: Buffer.from('GET') })],
    ['a datagram', udpPacket(client, vip, Buffer.from('who?'))],
    ['an empty datagram over IPv6', udpPacket(client6, vip6)],
    ['the longest datagram', udpPacket(client, vip, new Uint8Array(65_535 - 28).fill(0xff))],
  ])('%s has right checksums and lengths', (_, packet) => {
    expect(isWhole(packet)).toBe(true);
    const bytes = Buffer.from(packet);
    expect(packet[0] === 0x45 ? bytes.readUInt16BE(2) : 40 + bytes.readUInt16BE(4)).toBe(packet.length);
  }); // prettier-ignore

  it('of UDP whose sum is zero says ones, for zero would say that there is none', () => {
    const sums = Array.from({ length: 0x10000 }, (_, word) => {
      const packet = udpPacket(client, vip, Uint8Array.of(word >> 8, word & 255));
      return Buffer.from(packet).readUInt16BE(26);
    });
    expect(sums).not.toContain(0);
    expect(sums).toContain(0xffff);
  });

  it('is read as it was made', () => {
    const payload = Buffer.from('hello');
    const packet = tcpPacket(client6, vip6, { flags: ['ack', 'fin'], payload });
    expect(readPacket(packet)).toEqual({
      protocol: 'tcp',
      source: endpoint(client6),
      destination: endpoint(vip6),
      opens: false,
      flags: ['fin', 'ack'],
      payload,
    });
    const datagram = udpPacket(client, vip, payload);
    expect(readPacket(datagram)).toMatchObject({ protocol: 'udp', opens: true, flags: [], payload });
    expect(readPacket(tcpPacket(client, vip))).toMatchObject({ opens: true, flags: ['syn'] });
    expect(readPacket(tcpPacket(client, vip, { flags: ['syn', 'ack'] }))).toMatchObject({ opens: false });
  });

  it('is not made of what fits no packet', () => {
    expect(() => tcpPacket(client, vip6)).toThrow(/must be between addresses of one family/);
    expect(() => udpPacket(client, vip, new Uint8Array(65_535))).toThrow(/must fit into one IP packet/);
    expect(() => udpPacket('198.51.100.7', vip)).toThrow(/endpoint "198.51.100.7": must be address:port/);
    const endpoints = { client: endpoint(client), to: endpoint(vip) };
    expect(firstPacket({ protocol: 'sctp', ...endpoints })).toBeNull();
    expect(firstPacket({ protocol: 'udp', ...endpoints })).toEqual(udpPacket(client, vip));
  });
});

describe('a packet that is read', () => {
  it('tells nothing where there is nothing to tell', () => {
    const piece = Buffer.from(tcpPacket(client, vip));
    piece.writeUInt16BE(1, 6);
    expect(readPacket(piece)).toBeNull();
    expect(readPacket(tcpPacket(client, vip).subarray(0, 22))).toBeNull();
    expect(readPacket(new Uint8Array())).toBeNull();
    const icmp = Buffer.from(tcpPacket(client, vip));
    icmp[9] = 1;
    expect(readPacket(icmp)).toBeNull();
  });
});
