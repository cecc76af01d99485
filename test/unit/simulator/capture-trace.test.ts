// SPDX-License-Identifier: Apache-2.0
/** What clients did, as a capture shows it. */
import { describe, expect, it } from 'vitest';

import { tcpPacket, udpPacket } from '../../../src/packet/build.js';
import type { TcpFlag } from '../../../src/packet/wire.js';
import { parseListen } from '../../../src/model/index.js';
import { traceOfCapture } from '../../../src/simulator/capture-trace.js';

const vip = '192.0.2.10:80';

/** Classic pcap of raw IP packets, by their milliseconds. */
function capture(packets: readonly (readonly [ms: number, packet: Uint8Array])[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt32LE(101, 20);
  const records = packets.flatMap(([ms, packet]) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(Math.floor(ms / 1000), 0);
    record.writeUInt32LE((ms % 1000) * 1000, 4);
    record.writeUInt32LE(packet.length, 8);
    record.writeUInt32LE(packet.length, 12);
    return [record, packet];
  });
  return Buffer.concat([header, ...records]);
}

const from = (client: string, ...flags: readonly TcpFlag[]): Uint8Array => tcpPacket(client, vip, { flags });
const to = (client: string, ...flags: readonly TcpFlag[]): Uint8Array => tcpPacket(vip, client, { flags });

describe('the trace of a capture', () => {
  it('has a connection from its SYN to its first FIN or RST', () => {
    const [one, two] = ['198.51.100.1:1000', '198.51.100.2:1000'];
    const bytes = capture([
      [0, from(one, 'syn')],
      [10, to(one, 'syn', 'ack')],
      [500, from(two, 'syn')],
      [900, from(two, 'syn')], // again: nobody answered
      [1000, to(one, 'fin', 'ack')],
      [1500, from(one, 'fin', 'ack')],
      [1700, to(two, 'rst')],
      [2000, from(one, 'syn')], // the same port, another connection
      [2250, from(one, 'ack')],
    ]);
    expect(traceOfCapture(bytes)).toEqual({
      trace: [
        { at: 0, client: '198.51.100.1', duration: 1 },
        { at: 0.5, client: '198.51.100.2', duration: 1.2 },
        { at: 2, client: '198.51.100.1', duration: 0.25 },
      ],
      leftOut: 0,
      inTheMiddle: 0,
    });
  });

  it('counts what it does not have', () => {
    const listen = parseListen(`tcp://${vip}`);
    const bytes = capture([
      [0, from('198.51.100.1:1000', 'ack')],
      [1, to('198.51.100.1:1000', 'ack')],
      [2, tcpPacket('[2001:db8::7]:1000', '[2001:db8::1]:80')],
      [3, udpPacket('198.51.100.1:1000', '192.0.2.10:53')],
      [4, from('198.51.100.1:1001', 'syn')],
    ]);
    const places = listen.ok ? [listen.value] : [];
    expect(traceOfCapture(bytes, 'x.pcap', places)).toMatchObject({
      trace: [{ at: 0.004, duration: 0 }],
      leftOut: 3, // IPv6, another place, and an answer to a connection nobody saw begin
      inTheMiddle: 1,
    });
    expect(traceOfCapture(bytes).trace).toHaveLength(2); // UDP as well
  });

  it('is refused of what is no capture', () => {
    expect(() => traceOfCapture(Buffer.from('0,192.0.2.7,1'), 'x.csv')).toThrow(/x\.csv: must be a capture/);
  });
});
