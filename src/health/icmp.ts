// SPDX-License-Identifier: Apache-2.0
/**
 * icmp: an echo request, and an echo reply to it from the same address. All pings of one family and source share one
 * socket, opened when the first is sent and closed when none is out any more. A reply is known by 16 random bytes in
 * it, not by its identifier: the kernel's ping sockets choose that themselves.
 *
 * Node has no ICMP sockets, so they come from outside (native/napi/icmp_socket.h behind `IcmpTransport`).
 */
import { randomFillSync } from 'node:crypto';

import { familyOf, type Family, type IpAddress } from '../model/index.js';
import { CannotAsk, good, type Asking, type Checker, type Finish, type QuestionOf } from './checker.js';

export interface IcmpSocket {
  /** Throws what the system call says. */
  send(to: string, message: Uint8Array): void;
  close(): void;
}

export interface IcmpTransport {
  /**
   * A socket for echo requests. `receive` gets ICMP messages, without an IP header, and who sent them; they may be of
   * anybody and anything. Throws what the system calls say.
   */
  open(
    family: Family,
    source: string | null,
    receive: (message: Uint8Array, from: string) => void,
  ): IcmpSocket;
}

const echoRequest = { ipv4: 8, ipv6: 128 } as const;
const echoReply = { ipv4: 0, ipv6: 129 } as const;
const headerBytes = 8;
const cookieBytes = 16;

interface Ping {
  readonly address: IpAddress;
  readonly finish: Finish;
}

interface SharedSocket {
  readonly socket: IcmpSocket;
  /** By cookie. */
  readonly pings: Map<string, Ping>;
}

/** `transport` null: this build has no ICMP sockets. */
export function icmpChecker(transport: IcmpTransport | null): Checker<QuestionOf<'icmp'>> {
  const sockets = new Map<string, SharedSocket>();

  const forget = (key: string, cookie: string): void => {
    const shared = sockets.get(key);
    shared?.pings.delete(cookie);
    if (shared?.pings.size !== 0) return;
    sockets.delete(key);
    shared.socket.close();
  };

  const receive = (key: string, family: Family, message: Uint8Array, from: string): void => {
    const cookie = cookieOf(message, family);
    const ping = cookie === undefined ? undefined : sockets.get(key)?.pings.get(cookie);
    if (ping === undefined || cookie === undefined || ping.address !== from) return;
    forget(key, cookie);
    ping.finish(good('echo reply'));
  };

  return {
    ask(_, target, finish): Asking {
      if (transport === null) throw new CannotAsk('unsupported', 'this build of vsnat has no ICMP sockets');
      const { address, source } = target; // a ping has no port, so there is no way for it through a service
      const family = familyOf(address);
      const key = `${family} ${source ?? ''}`;
      const cookie = randomFillSync(Buffer.alloc(cookieBytes));
      const id = cookie.toString('latin1');
      let isOut = true;
      const stop = (): void => {
        if (isOut) forget(key, id);
        isOut = false;
      };
      let shared = sockets.get(key);
      try {
        if (shared === undefined) {
          const socket = transport.open(family, source, (message, from) =>
            receive(key, family, message, from),
          );
          shared = { socket, pings: new Map() };
          sockets.set(key, shared);
        }
        const answered: Finish = (answer) => {
          isOut = false;
          finish(answer);
        };
        shared.pings.set(id, { address, finish: answered });
        shared.socket.send(address, echo(family, cookie));
      } catch (error) {
        stop();
        throw error; // attempt.ts makes an answer of it
      }
      return { progress: () => 'no echo reply', stop };
    },
  };
}

/** An echo request with `cookie`. The kernel puts in its own identifier, and of ICMPv6 the checksum (RFC 3542, 3.1). */
function echo(family: Family, cookie: Uint8Array): Uint8Array {
  const message = Buffer.alloc(headerBytes + cookieBytes);
  message[0] = echoRequest[family];
  message.set(cookie.subarray(0, 4), 4); // identifier and sequence number, where the kernel leaves them to us
  message.set(cookie, headerBytes);
  if (family === 'ipv4') message.writeUInt16BE(checksum(message), 2);
  return message;
}

function cookieOf(message: Uint8Array, family: Family): string | undefined {
  if (message.length !== headerBytes + cookieBytes || message[0] !== echoReply[family]) return undefined;
  return Buffer.from(message.buffer, message.byteOffset + headerBytes, cookieBytes).toString('latin1');
}

/** RFC 1071, of an even number of bytes. */
function checksum(message: Buffer): number {
  let sum = 0;
  for (let at = 0; at < message.length; at += 2) sum += message.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
