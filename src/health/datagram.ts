// SPDX-License-Identifier: Apache-2.0
/**
 * A connected UDP socket to a server: the kernel hands up what comes from this server's address and port, nothing
 * else, and reports ICMP port unreachable as ECONNREFUSED.
 */
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';

import type { Answer, Target } from './checker.js';
import { failure } from './message.js';
import { placeOf } from './stream.js';

export interface DatagramEvents {
  readonly message: (bytes: Buffer) => void;
  readonly failed: (answer: Answer) => void;
}

export interface DatagramExchange {
  stop(): void;
}

/** dgram asks its resolver even for addresses; this one answers without asking anybody. */
const noLookup = (
  hostname: string,
  _: unknown,
  callback: (error: null, address: string, family: number) => void,
): void => callback(null, hostname, isIPv6(hostname) ? 6 : 4);

/** Sends `payload` once. */
export function exchange(target: Target, payload: Uint8Array, events: DatagramEvents): DatagramExchange {
  const { host, port, localAddress } = placeOf(target);
  const fd = target.detour?.open();
  const socket = createSocket({ type: isIPv6(host) ? 'udp6' : 'udp4', lookup: noLookup });
  let isOver = false;
  const stop = (): void => {
    if (isOver) return;
    isOver = true;
    socket.close();
  };
  const fail = (error: unknown): void => {
    if (isOver) return;
    stop();
    events.failed(failure(error));
  };
  const connect = (): void => {
    if (!isOver) socket.connect(port, host);
  };
  socket.on('error', fail);
  socket.on('message', (bytes) => {
    if (!isOver) events.message(bytes);
  });
  socket.once('connect', () => {
    if (isOver) return;
    socket.send(payload, (error) => {
      if (error !== null) fail(error);
    });
  });
  if (fd !== undefined) socket.bind({ fd, exclusive: true }, connect);
  else if (localAddress === undefined) connect();
  else socket.bind({ address: localAddress, port: 0, exclusive: true }, connect);
  return { stop };
}
