// SPDX-License-Identifier: Apache-2.0
/**
 * A director over any duplex stream of IP packets: one `data` event is one packet, one write() is one packet.
 * tuntap2's devices have this shape, and so have a pair of PassThrough streams in a test or a VPN written in
 * JavaScript. It is made for tests and odd machines (some 50,000 packets a second); a TUN dataplane is what serves.
 *
 * The type is structural because tuntap2's classes are not instances of Duplex. Packets are never corked: on a TUN
 * descriptor a writev is one packet, so two corked packets would leave as one. While the stream asks for a pause, packets
 * are dropped and counted, as a router with a full queue does: buffering would only add delay.
 */
import type { PacketEngine } from './packet-engine.js';

/** What attach() needs of a stream of IP packets: the shape of a Duplex, and of a device of tuntap2. */
export interface PacketStream {
  on(event: 'data', listener: (packet: Uint8Array) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  off(event: 'data', listener: (packet: Uint8Array) => void): unknown;
  off(event: 'close', listener: () => void): unknown;
  once(event: 'drain', listener: () => void): unknown;
  write(packet: Uint8Array): boolean;
}

/** Packets of an attached stream. */
export interface StreamCounters {
  readonly received: number;
  readonly written: number;
  /** Not written because the stream was still busy with earlier packets. */
  readonly droppedBusy: number;
  /** Handed in while the engine refused them (closed, or not a packet). */
  readonly failed: number;
}

/** A stream that is served. */
export interface AttachedStream {
  readonly counters: StreamCounters;
  /** Resolves when the stream has closed or detach() was called; rejects with the stream's error. */
  readonly closed: Promise<void>;
  /** Stops listening and leaves the stream open: it belongs to the caller. */
  detach(): void;
}

/** Of attach(). */
export interface AttachOptions {
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

/** Feeds every packet of the stream to the engine and writes what comes out back into the stream. */
export function attachStream(
  engine: PacketEngine,
  stream: PacketStream,
  { now = () => performance.now() }: AttachOptions = {},
): AttachedStream {
  const counters = { received: 0, written: 0, droppedBusy: 0, failed: 0 };
  let busy = false;

  const write = (packet: Uint8Array): void => {
    if (busy) {
      counters.droppedBusy += 1;
      return;
    }
    counters.written += 1; // write() takes the packet even when it answers false; only the next one has to wait
    if (stream.write(packet)) return;
    busy = true;
    stream.once('drain', () => {
      busy = false;
    });
  };

  const onData = (packet: Uint8Array): void => {
    counters.received += 1;
    try {
      for (const output of engine.process({ packet, nowMs: Math.trunc(now()) }).outputs) write(output.packet);
    } catch {
      counters.failed += 1; // one bad packet must not end the stream; the count says that something is wrong
    }
  };

  let detach = (): void => undefined;
  const closed = new Promise<void>((resolve, reject) => {
    const onClose = (): void => detach();
    const onError = (error: Error): void => {
      detach();
      reject(error); // no effect after resolve(), so it is rejected before the promise is settled below
    };
    detach = () => {
      stream.off('data', onData);
      stream.off('close', onClose);
      queueMicrotask(resolve);
    };
    stream.on('data', onData);
    stream.on('close', onClose);
    stream.on('error', onError); // stays attached: an 'error' without a listener would end the process
  });
  return { counters, closed, detach: () => detach() };
}
