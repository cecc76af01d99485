// SPDX-License-Identifier: Apache-2.0
/** Written blocks, read back by a reader that takes nothing for granted, and by the one of `vsnat explain --pcap`. */
import { describe, expect, it } from 'vitest';

import {
  interfaceBlock,
  packetBlock,
  sectionBlock,
  statisticsBlock,
} from '../../../../src/cli/capture/pcapng-write.js';
import { readCapture } from '../../../../src/packet/capture-file.js';
import { packet } from './packets.js';

interface Block {
  readonly type: number;
  readonly body: Buffer;
}

function blocksOf(bytes: Buffer): Block[] {
  const blocks: Block[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32LE(at + 4);
    expect(length % 4).toBe(0);
    expect(bytes.readUInt32LE(at + length - 4)).toBe(length);
    blocks.push({ type: bytes.readUInt32LE(at), body: bytes.subarray(at + 8, at + length - 4) });
    at += length;
  }
  return blocks;
}

function optionsOf(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; ;) {
    const code = bytes.readUInt16LE(at);
    const length = bytes.readUInt16LE(at + 2);
    if (code === 0) {
      expect([length, at + 4]).toEqual([0, bytes.length]);
      return found;
    }
    found.set(code, bytes.subarray(at + 4, at + 4 + length));
    at += 4 + Math.ceil(length / 4) * 4;
  }
}

const syn = packet('tcp', '192.0.2.7:40000', '10.9.0.1:80');
const written = {
  interface: 1,
  seconds: 1_795_000_000,
  nanoseconds: 123_456_789,
  length: 9000,
  direction: 'outbound',
} as const;

describe('pcapng', () => {
  it('is a section of two named interfaces of cooked packets, in nanoseconds', () => {
    const bytes = Buffer.concat([
      sectionBlock('vsnat 1.2.3'),
      interfaceBlock('client side', 'CIP and VIP', 4096),
      interfaceBlock('server side', 'CIP and RIP', 4096),
    ]);
    const [section, ...interfaces] = blocksOf(bytes);
    expect(section?.type).toBe(0x0a0d0d0a);
    expect(section?.body.readUInt32LE(0)).toBe(0x1a2b3c4d);
    expect([section?.body.readUInt16LE(4), section?.body.readUInt16LE(6)]).toEqual([1, 0]);
    expect(section?.body.readBigInt64LE(8)).toBe(-1n);
    expect(
      optionsOf(section?.body.subarray(16) ?? syn)
        .get(4)
        ?.toString(),
    ).toBe('vsnat 1.2.3');
    expect(interfaces.map(({ type }) => type)).toEqual([1, 1]);
    const [client] = interfaces;
    expect([client?.body.readUInt16LE(0), client?.body.readUInt32LE(4)]).toEqual([113, 4096 + 16]);
    const options = optionsOf(client?.body.subarray(8) ?? syn);
    expect(options.get(2)?.toString()).toBe('client side');
    expect(options.get(3)?.toString()).toBe('CIP and VIP');
    expect([...(options.get(9) ?? [])]).toEqual([9]);
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])('holds a packet of 40 and %i bytes, and its comment', (more) => {
    const bytes = Buffer.concat([syn, Buffer.alloc(more, 0xee)]);
    const comment = `web: ${'ü'.repeat(more)}`;
    const [block] = blocksOf(packetBlock({ ...written, bytes, comment }));
    const body = block?.body ?? Buffer.alloc(0);
    expect(block?.type).toBe(6);
    expect(body.readUInt32LE(0)).toBe(1);
    const ticks = (BigInt(body.readUInt32LE(4)) << 32n) | BigInt(body.readUInt32LE(8));
    expect(ticks).toBe(1_795_000_000_123_456_789n);
    expect([body.readUInt32LE(12), body.readUInt32LE(16)]).toEqual([16 + bytes.length, 16 + 9000]);
    const link = body.subarray(20, 36);
    expect([link.readUInt16BE(0), link.readUInt16BE(4), link.readUInt16BE(14)]).toEqual([4, 0, 0x0800]);
    expect(body.subarray(36, 36 + bytes.length).equals(bytes)).toBe(true);
    const options = optionsOf(body.subarray(36 + Math.ceil(bytes.length / 4) * 4));
    expect(options.get(1)?.toString()).toBe(comment);
    expect(options.get(2)?.readUInt32LE(0)).toBe(2);
  });

  it('says what was missed', () => {
    const [block] = blocksOf(statisticsBlock(0, written, 77));
    expect(block?.type).toBe(5);
    expect(
      optionsOf(block?.body.subarray(12) ?? syn)
        .get(5)
        ?.readBigUInt64LE(0),
    ).toBe(77n);
  });

  it('is understood by explain', () => {
    const file = Buffer.concat([
      sectionBlock('vsnat'),
      interfaceBlock('client side', '', 0),
      interfaceBlock('server side', '', 0),
      packetBlock({ ...written, bytes: syn, length: syn.length, comment: 'one' }),
      packetBlock({
        ...written,
        seconds: written.seconds + 2,
        bytes: syn,
        length: syn.length,
        comment: 'two',
      }),
    ]);
    const { packets, leftOut } = readCapture(file, 'x');
    expect(leftOut).toBe(0);
    expect(packets.map(({ atMs }) => atMs)).toEqual([0, 2000]);
    expect(packets.every(({ packet: read }) => Buffer.from(read).equals(syn))).toBe(true);
  });
});
