// SPDX-License-Identifier: Apache-2.0
/**
 * A TCP connection to a server, as checks want one: from the right address, never through a resolver, and gone without
 * a trace when it is stopped. The peer's bytes are handed on as they come; who reads them bounds what is kept.
 */
import { connect, Socket, type OnReadOpts } from 'node:net';

import type { Answer, Target } from './checker.js';
import { failure } from './message.js';

export interface StreamEvents {
  readonly connected?: (socket: Socket) => void;
  /** Valid during the call only. */
  readonly data?: (bytes: Buffer) => void;
  /** The peer has closed its side. */
  readonly ended?: () => void;
  readonly failed: (answer: Answer) => void;
}

/** Where and from where to connect. All are addresses, so Node asks no resolver (test/unit/health proves it). */
export function placeOf({ detour, address, port, source }: Target): {
  host: string;
  port: number;
  localAddress?: string;
} {
  if (detour !== null) return { host: detour.destination.address, port: detour.destination.port };
  return source === null ? { host: address, port } : { host: address, port, localAddress: source };
}

/** A connection that is being made; on a detour, from the socket that was made for it. */
export function connectTo(target: Target, options: { readonly onread?: OnReadOpts } = {}): Socket {
  const { detour } = target;
  return detour === null
    ? connect({ ...placeOf(target), ...options })
    : new Socket({ fd: detour.open(), ...options }).connect(placeOf(target));
}

export function openStream(target: Target, { data, ...events }: StreamEvents): Socket {
  const take = (bytes: Buffer): void => {
    if (!socket.destroyed) data?.(bytes);
  };
  const socket = connectTo(target, data === undefined ? {} : { onread: readingInto(take) });
  listen(socket, 'connect', events);
  return socket;
}

/**
 * All sockets are read into one buffer: it is lent for a call, and calls do not overlap. Otherwise each read would be given 64
 * KiB of fresh memory, for a hundred bytes.
 */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);
const readingInto = (take: (bytes: Buffer) => void): OnReadOpts => ({
  buffer: readBuffer,
  callback: (length) => {
    take(readBuffer.subarray(0, length));
    return true;
  },
});

/** Hands on what happens to `socket` until somebody drops it. `during` is what failed: TLS, or the connection itself. */
export function listen(
  socket: Socket,
  ready: string,
  { connected, data, ended, failed }: StreamEvents,
  during: () => 'TLS' | 'connection' = () => 'connection',
): void {
  const unlessDropped =
    <A extends unknown[]>(call: (...event: A) => void) =>
    (...event: A): void => {
      if (!socket.destroyed) call(...event);
    };
  socket.on('error', (error) => {
    if (dropped.has(socket)) return;
    drop(socket);
    failed(during() === 'TLS' ? failure(error, 'TLS', 'tls') : failure(error));
  });
  if (connected !== undefined)
    socket.once(
      ready,
      unlessDropped(() => connected(socket)),
    );
  if (data !== undefined) socket.on('data', unlessDropped(data));
  if (ended !== undefined) socket.once('end', unlessDropped(ended));
}

const dropped = new WeakSet<Socket>();

/** From here on the socket says nothing more, and its descriptor is closed. */
export function drop(socket: Socket): void {
  dropped.add(socket);
  socket.destroy();
}
