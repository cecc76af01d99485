// SPDX-License-Identifier: Apache-2.0
/** This host's own TCP and UDP sockets, from /proc/net (proc(5)): addresses are words of the host's byte order, in hex. */
import type { System } from '../host/index.js';
import { formatAddress } from '../model/index.js';
import type { Socket } from './facts.js';

const files = [
  ['tcp', '/proc/net/tcp'],
  ['tcp', '/proc/net/tcp6'],
  ['udp', '/proc/net/udp'],
  ['udp', '/proc/net/udp6'],
] as const;

/** include/net/tcp_states.h; a bound UDP socket is in state 7. */
const listening = { tcp: '0A', udp: '07' } as const;
const timeWait = '06';

export async function readSockets(system: System): Promise<readonly Socket[]> {
  const sockets: Socket[] = [];
  for (const [protocol, file] of files) {
    for (const line of ((await system.read(file)) ?? '').split('\n').slice(1)) {
      const [, local, , state = ''] = line.trim().split(/\s+/);
      const [hex = '', port = ''] = local?.split(':') ?? [];
      if (hex === '') continue;
      sockets.push({
        protocol,
        address: addressOf(hex),
        port: parseInt(port, 16),
        state: state === listening[protocol] ? 'listen' : state === timeWait ? 'time-wait' : 'other',
      });
    }
  }
  return sockets;
}

function addressOf(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => [...Buffer.from(word, 'hex')].reverse());
  const text = formatAddress(Uint8Array.from(bytes));
  return text.replace(/^::ffff:/, '');
}
