// SPDX-License-Identifier: Apache-2.0
/** Datagrams cut in pieces. */
import { compose, type Packet } from './packet.js';
import type { Play } from './play.js';

let identification = 0x100;

/** `packet` cut at multiples of 8 bytes of its transport. */
export function pieces(play: Play, packet: Packet, cuts: readonly number[]): readonly Buffer[] {
  const mark = /-v6|^\[/.test(packet.from) ? '-v6' : '';
  const l4 = compose({ ...packet, ip: { df: false } }, play.names).subarray(mark === '' ? 20 : 40);
  const protocol = { tcp: 6, udp: 17, icmp: mark === '' ? 1 : 58, sctp: 132, other: 0 }[packet.kind];
  const host = (endpoint: string): string => endpoint.replace(/:\d+$/, '');
  const id = (identification += 1);
  const ends = [...cuts, l4.length];
  return ends.map((end, i) => {
    const offset = ends[i - 1] ?? 0;
    const more = end < l4.length;
    const word = (offset | (more ? 1 : 0)).toString(16).padStart(4, '0');
    return compose(
      {
        kind: 'other',
        from: host(packet.from),
        to: host(packet.to),
        protocol,
        data: l4.subarray(offset, end),
        ip:
          mark === ''
            ? { df: false, id, offset, mf: more }
            : { extensions: [{ header: 44, body: `00${word}${id.toString(16).padStart(8, '0')}` }] },
      },
      play.names,
    );
  });
}
