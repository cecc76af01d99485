// SPDX-License-Identifier: Apache-2.0
/**
 * One TCP connection, both ends of it, in a short hand:
 *
 *   '>S <SA >A >AP+100 <A <AF >AF <A'     > client, < server; flags; +N bytes of data; - for no flags at all
 *
 * Sequence and acknowledgment numbers are those of two well-behaved hosts. The server is whichever got the client's
 * last packet, so a conversation goes on with the server that the director under test chose.
 */
import { hosts, serverPort, type Host } from './lab.js';
import type { TcpPacket } from './packet.js';
import type { Play } from './play.js';

export interface ConversationOptions {
  readonly client?: string;
  readonly to?: string;
  readonly port?: number;
  readonly realPort?: number;
}

type Side = 'client' | 'server';

export const familyMark = (name: string): string => (name.includes('-v6') ? '-v6' : '');

export class Conversation {
  readonly client: string;
  readonly to: string;
  server: Host | null = null;
  readonly #play: Play;
  readonly #realPort: number;
  readonly #next: Record<Side, number> = { client: 1000, server: 500_000 };

  constructor(play: Play, options: ConversationOptions = {}) {
    this.#play = play;
    this.client = `${options.client ?? 'client'}:${options.port ?? 40_000}`;
    this.to = options.to ?? (this.client.includes('-v6') ? 'vip-v6:80' : 'vip:80');
    this.#realPort = options.realPort ?? serverPort;
  }

  /** The connection table is written down after every packet when `states` is set. */
  async say(
    text: string,
    { states = false, ...fields }: Partial<TcpPacket> & { states?: boolean } = {},
  ): Promise<void> {
    for (const token of text.trim().split(/\s+/)) {
      const [, direction, flags = '', , bytes] = /^([<>])([A-Z]+|-)(\+(\d+))?$/.exec(token) ?? [];
      if (direction === undefined) throw new Error(`conversation: cannot read ${token}`);
      await this.segment(direction === '>' ? 'client' : 'server', {
        flags: flags.replace('-', ''),
        ...(bytes !== undefined && { data: pattern(Number(bytes)) }),
        ...fields,
      });
      if (states) await this.#play.connections();
    }
  }

  async segment(side: Side, fields: Partial<TcpPacket> & { readonly flags: string }): Promise<void> {
    const other: Side = side === 'client' ? 'server' : 'client';
    const length = Buffer.from(fields.data ?? '').length;
    const packet: TcpPacket = {
      kind: 'tcp',
      from: side === 'client' ? this.client : this.serverEndpoint(),
      to: side === 'client' ? this.to : this.client,
      seq: this.#next[side],
      ...(fields.flags.includes('A') && { ack: this.#next[other] }),
      ...fields,
    };
    this.#next[side] = (packet.seq ?? 0) + length + (/[SF]/.test(fields.flags) ? 1 : 0);
    const arrived = await this.#play.send(side === 'client' ? 'client' : this.#server(), packet);
    if (side === 'client') this.server = arrived.find(({ at }) => at !== 'client')?.at ?? this.server;
  }

  serverEndpoint(): string {
    return `${this.#server()}${familyMark(this.client)}:${this.#realPort}`;
  }

  /** When nobody got the connection its replies come from the first server, as a stray packet would. */
  #server(): Host {
    return this.server ?? hosts[1];
  }
}

/** Bytes that a misplaced or repeated piece would not match. */
export function pattern(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
}

/** A service on the VIP with these servers, added in this order; `rs1:8080 -w 2` or just `rs1`. */
export function serviceLines(
  service: string,
  scheduler: string,
  servers: readonly string[] = ['rs1', 'rs2', 'rs3'],
): readonly string[] {
  const mark = familyMark(service);
  return [
    `-A ${service} -s ${scheduler}`,
    ...servers.map((server) => {
      const [name = '', ...options] = server.split(' ');
      const address = name.includes(':') ? name : `${name}${mark}:${serverPort}`;
      return ['-a', service, '-r', address, '-m', ...options].join(' ');
    }),
  ];
}
