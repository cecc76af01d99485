// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { IpAddress } from '../../../src/model/index.js';
import { firstPacket } from '../../../src/packet/build.js';
import { readCapture } from '../../../src/packet/capture-file.js';
import { readPacket } from '../../../src/packet/read.js';

const to = { address: '10.9.0.1' as IpAddress, port: 80 };
const tuple = { protocol: 'tcp', client: { address: '192.0.2.7' as IpAddress, port: 40_000 }, to } as const;
const packet = Buffer.from(firstPacket(tuple) ?? []);

interface Form {
  readonly isBig?: boolean;
  readonly nano?: boolean;
  readonly link?: number;
}

const number = (isBig: boolean) => (value: number, size: 2 | 4) => {
  const bytes = Buffer.alloc(size);
  if (isBig) bytes.writeUIntBE(value, 0, size);
  else bytes.writeUIntLE(value, 0, size);
  return bytes;
};

function classic(frames: readonly Buffer[], { isBig = false, nano = false, link = 101 }: Form = {}): Buffer {
  const n = number(isBig);
  const header = [
    n(nano ? 0xa1b23c4d : 0xa1b2c3d4, 4),
    n(2, 2),
    n(4, 2),
    n(0, 4),
    n(0, 4),
    n(65_535, 4),
    n(link, 4),
  ];
  return Buffer.concat([
    ...header,
    ...frames.flatMap((frame, index) => [
      n(1_000 + index, 4),
      n(nano ? 5e8 : 5e5, 4),
      n(frame.length, 4),
      n(frame.length, 4),
      frame,
    ]),
  ]);
}

function pcapng(frames: readonly Buffer[], { isBig = false, link = 101 }: Form = {}): Buffer {
  const n = number(isBig);
  const block = (type: number, ...body: Buffer[]): Buffer => {
    const inner = Buffer.concat(body);
    const padded = Buffer.concat([inner, Buffer.alloc((4 - (inner.length % 4)) % 4)]);
    const length = n(12 + padded.length, 4);
    return Buffer.concat([n(type, 4), length, padded, length]);
  };
  return Buffer.concat([
    block(0x0a0d0d0a, n(0x1a2b3c4d, 4), n(1, 2), n(0, 2), n(0xffffffff, 4), n(0xffffffff, 4)),
    block(1, n(link, 2), n(0, 2), n(0, 4), n(9, 2), n(1, 2), Buffer.from([9, 0, 0, 0])), // nanoseconds
    block(5, n(0, 4), n(0, 4), n(0, 4)), // statistics: skipped
    ...frames.map((frame, index) => {
      const ticks = BigInt(1_000 + index) * 1_000_000_000n;
      return block(
        6,
        n(0, 4),
        n(Number(ticks >> 32n), 4),
        n(Number(ticks & 0xffffffffn), 4),
        n(frame.length, 4),
        n(frame.length, 4),
        frame,
      );
    }),
  ]);
}

const ethernet = (type: number, rest: Buffer, ...tags: number[]): Buffer =>
  Buffer.concat([
    Buffer.alloc(12),
    ...tags.map((tag) => Buffer.from([tag >> 8, tag & 255, 0, 7])),
    Buffer.from([type >> 8, type & 255]),
    rest,
  ]);

describe('a capture', () => {
  it.each<[string, Buffer]>([
    ['little-endian', classic([packet, packet])],
    ['big-endian', classic([packet, packet], { isBig: true })],
    ['nanoseconds', classic([packet, packet], { nano: true })],
    ['pcapng', pcapng([packet, packet])],
    ['pcapng, big-endian', pcapng([packet, packet], { isBig: true })],
    [
      'Ethernet',
      classic(
        [0, 1].map(() => ethernet(0x0800, packet)),
        { link: 1 },
      ),
    ],
    [
      'Ethernet with two tags',
      classic(
        [0, 1].map(() => ethernet(0x0800, packet, 0x88a8, 0x8100)),
        { link: 1 },
      ),
    ],
    [
      'Ethernet with padding',
      classic(
        [0, 1].map(() => ethernet(0x0800, Buffer.concat([packet, Buffer.alloc(6)]))),
        { link: 1 },
      ),
    ],
    [
      'Linux cooked',
      classic(
        [0, 1].map(() => Buffer.concat([Buffer.alloc(14), Buffer.from([8, 0]), packet])),
        { link: 113 },
      ),
    ],
    [
      'Linux cooked v2',
      classic(
        [0, 1].map(() => Buffer.concat([Buffer.from([8, 0]), Buffer.alloc(18), packet])),
        { link: 276 },
      ),
    ],
  ])('%s gives its IP packets with their times', (_, bytes) => {
    const { packets, leftOut } = readCapture(bytes, 'x.pcap');
    expect(packets.map(({ atMs }) => atMs)).toEqual([0, 1_000]);
    for (const one of packets) expect(Buffer.from(one.packet).equals(packet)).toBe(true);
    expect(leftOut).toBe(0);
  });

  it('leaves out what carries no IP, and takes what is whole of a file that is cut off', () => {
    const bytes = classic([ethernet(0x0806, Buffer.alloc(28)), ethernet(0x0800, packet)], { link: 1 });
    expect(readCapture(bytes, 'x')).toMatchObject({ leftOut: 1, packets: [{}] });
    expect(readCapture(bytes.subarray(0, -1), 'x')).toMatchObject({ leftOut: 1, packets: [] });
  });

  it('refuses what is none, saying how to make one', () => {
    expect(() => readCapture(Buffer.from('services: []'), 'x.yaml')).toThrow(
      /x\.yaml: must be a capture .*tcpdump -w/,
    );
    expect(() => readCapture(Buffer.alloc(0), 'x')).toThrow(/must be a capture/);
  });

  it('is read to its end whatever its bytes say', () => {
    const start = fc.constantFrom(classic([packet]), pcapng([packet]), classic([packet], { link: 1 }));
    fc.assert(
      fc.property(start, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 12 }), (good, flips) => {
        const bytes = Buffer.from(good);
        for (const [at, value] of flips) if (at % bytes.length > 3) bytes[at % bytes.length] = value;
        for (const one of readCapture(bytes, 'x').packets) readPacket(one.packet);
      }),
      { numRuns: 500 },
    );
  });
});
