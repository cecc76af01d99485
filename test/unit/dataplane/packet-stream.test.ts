// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';

import { describe, expect, it } from 'vitest';

import type { MemoryPacket, PacketEngine, ProcessedPacket } from '../../../src/dataplane/packet-engine.js';
import { attachStream, type PacketStream } from '../../../src/dataplane/packet-stream.js';
import { VsnatError } from '../../../src/errors.js';

const vnet = new Uint8Array(10);

/** Answers every packet with itself and one more for each byte it has beyond the first. */
class EchoEngine implements PacketEngine {
  readonly seen: MemoryPacket[] = [];

  process(packet: MemoryPacket): ProcessedPacket {
    this.seen.push(packet);
    if (packet.packet[0] === 0) throw new VsnatError('VSNAT_DATAPLANE', 'not a packet');
    return {
      outputs: Array.from(packet.packet, () => ({ packet: packet.packet, vnet })),
      verdict: 'forwarded',
    };
  }

  expire(): void {
    throw new Error('a stream does not expire flows by itself');
  }
}

/** The least that a stream of packets is: an emitter with write(). */
class FakeTun extends EventEmitter implements PacketStream {
  readonly written: Uint8Array[] = [];
  willing = true;

  write(packet: Uint8Array): boolean {
    this.written.push(packet);
    return this.willing;
  }
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe('a packet stream', () => {
  it('is served packet by packet, with the clock it is given in whole milliseconds', () => {
    const engine = new EchoEngine();
    const tun = new FakeTun();
    const { counters } = attachStream(engine, tun, { now: () => 42.7 });
    tun.emit('data', bytes(1));
    tun.emit('data', bytes(2, 2));
    expect(engine.seen.map(({ nowMs }) => nowMs)).toEqual([42, 42]);
    expect(tun.written).toEqual([bytes(1), bytes(2, 2), bytes(2, 2)]);
    expect(counters).toEqual({ received: 2, written: 3, droppedBusy: 0, failed: 0 });
  });

  it('loses and counts packets while it is busy, and goes on when it drains', () => {
    const tun = new FakeTun();
    const { counters } = attachStream(new EchoEngine(), tun);
    tun.willing = false;
    tun.emit('data', bytes(1, 1, 1));
    expect(counters).toMatchObject({ written: 1, droppedBusy: 2 });
    tun.emit('data', bytes(1));
    expect(counters.droppedBusy).toBe(3);
    tun.willing = true;
    tun.emit('drain');
    tun.emit('data', bytes(1));
    expect(counters).toEqual({ received: 3, written: 2, droppedBusy: 3, failed: 0 });
  });

  it('survives a packet the engine refuses', () => {
    const tun = new FakeTun();
    const { counters } = attachStream(new EchoEngine(), tun);
    tun.emit('data', bytes(0));
    tun.emit('data', bytes(1));
    expect(counters).toMatchObject({ received: 2, failed: 1, written: 1 });
  });

  it('that closes, twice as tuntap2 does, resolves once and is left alone', async () => {
    const engine = new EchoEngine();
    const tun = new FakeTun();
    const { closed } = attachStream(engine, tun);
    tun.emit('close');
    tun.emit('close');
    await closed;
    tun.emit('data', bytes(1));
    expect(engine.seen).toEqual([]);
  });

  it('that fails rejects with its error', async () => {
    const tun = new FakeTun();
    const { closed } = attachStream(new EchoEngine(), tun);
    tun.emit('error', new Error('EFAULT'));
    await expect(closed).rejects.toThrow('EFAULT');
  });

  it('that is detached stays open for its owner', async () => {
    const tun = new FakeTun();
    const attached = attachStream(new EchoEngine(), tun);
    attached.detach();
    await attached.closed;
    expect(tun.listenerCount('data')).toBe(0);
  });

  it('may be any stream of Node that keeps packets apart', async () => {
    const stream: PacketStream & PassThrough = new PassThrough({ objectMode: true });
    const written: Uint8Array[] = [];
    stream.write = (packet: Uint8Array) => written.push(packet) > 0;
    attachStream(new EchoEngine(), stream);
    stream.push(bytes(7));
    await new Promise((resolve) => setImmediate(resolve));
    expect(written).toEqual([bytes(7)]);
  });
});
