// SPDX-License-Identifier: Apache-2.0
/** What the tap saw of whose connection: the director's device is interface 7, its links are 2 and 3. */
import { describe, expect, it } from 'vitest';

import { Attribution, type CapturedService, type Filters } from '../../../../src/cli/capture/attribution.js';
import { Sightings, type Sighting } from '../../../../src/cli/capture/sightings.js';
import type { TappedPacket } from '../../../../src/dataplane/packet-tap.js';
import { formatEndpoint, type IpAddress } from '../../../../src/model/index.js';
import { end, icmpError, packet, tapped } from './packets.js';

const service = (
  name: string,
  listen: string,
  servers: readonly string[],
  hasHelper = false,
): CapturedService => {
  const [protocol = '', place = ''] = listen.split('://');
  return {
    service: name,
    listen: [{ protocol: protocol as 'tcp' | 'udp', ...end(place) }],
    servers: servers.map(end),
    hasHelper,
  };
};

const services = [
  service('web', 'tcp://10.9.0.1:80', ['10.2.1.2:8080', '10.2.1.3:8080']),
  service('shop', 'tcp://10.9.0.2:80', ['10.2.1.2:8080']),
  service('dns', 'udp://10.9.0.1:53', ['10.2.1.2:5353']),
  service('files', 'tcp://10.9.0.5:21', ['10.2.1.5:21'], true),
];

function seen(packets: readonly TappedPacket[], filters: Filters = {}): string[] {
  const sightings = new Sightings(new Attribution(services, filters), 7);
  const all: Sighting[] = [...packets.flatMap((one) => [...sightings.see(one)]), ...sightings.settle()];
  return all.map(
    ({ placed: { side, service: name, client, server }, isTranslated }) =>
      `${side} ${isTranslated ? 'out' : 'in'} ${name ?? '-'} ${formatEndpoint(client)} ${server === null ? '-' : formatEndpoint(server)}`,
  );
}

/** Unlike seen(): only what has been given before the end. */
function seenAtOnce(packets: readonly TappedPacket[]): number {
  const sightings = new Sightings(new Attribution(services, {}), 7);
  return packets.flatMap((one) => [...sightings.see(one)]).length;
}

const into = (bytes: Buffer, ms = 0): TappedPacket => tapped(bytes, { ms });
const outOf = (bytes: Buffer, ms = 0): TappedPacket => tapped(bytes, { ms, outgoing: false });
const frame = (bytes: Buffer, ms = 0, link = 2): TappedPacket => tapped(bytes, { ms, interface: link });

const client = '192.0.2.7:40000';
const vip = '10.9.0.1:80';
const rip = '10.2.1.3:8080';
const handshake = [
  into(packet('tcp', client, vip)),
  outOf(packet('tcp', client, rip)),
  into(packet('tcp', rip, client, 2)),
  outOf(packet('tcp', vip, client, 2)),
];
const bothSides = [
  `client in web ${client} ${rip}`,
  `server out web ${client} ${rip}`,
  `server in web ${client} ${rip}`,
  `client out web ${client} ${rip}`,
];

describe('sightings', () => {
  it('tell both sides of a connection, in order, each with its server', () => {
    expect(seen(handshake)).toEqual(bothSides);
  });

  it('tell them as well when the capture begins with a reply', () => {
    expect(seen(handshake.slice(2))).toEqual(bothSides.slice(2));
  });

  it.each<[Filters, number]>([
    [{ service: 'web' }, 4],
    [{ service: 'shop' }, 0],
    [{ server: '10.2.1.3' }, 4],
    [{ server: rip }, 4],
    [{ server: '10.2.1.2:8080' }, 0],
    [{ client: '192.0.2.7' }, 4],
    [{ client: '192.0.2.7:40001' }, 0],
    [{ vip: '10.9.0.1' }, 4],
    [{ vip: '10.9.0.1:81' }, 0],
    [{ protocol: 'tcp' }, 4],
    [{ protocol: 'udp' }, 0],
  ])('with %j: %i packets', (filters, count) => {
    expect(seen(handshake, filters)).toHaveLength(count);
  });

  it('a request that nobody translates belongs to its service and to no server', () => {
    expect(seen([into(packet('tcp', client, vip))])).toEqual([`client in web ${client} -`]);
    expect(seen([into(packet('tcp', client, vip))], { server: rip })).toEqual([]);
  });

  it('a packet for a VIP without a service there is shown, with no service', () => {
    expect(seen([into(packet('tcp', client, '10.9.0.1:9'))])).toEqual([`client in - ${client} -`]);
  });

  it('tells apart what one client port says to two services of one server', () => {
    const [web, shop, server] = ['10.9.0.1:80', '10.9.0.2:80', '10.2.1.2:8080'];
    expect(
      seen(
        [
          into(packet('tcp', client, web)),
          outOf(packet('tcp', client, server)),
          into(packet('tcp', client, shop, 2), 200),
          outOf(packet('tcp', client, server, 2), 200),
        ],
        { service: 'shop' },
      ),
    ).toEqual([`client in shop ${client} ${server}`, `server out shop ${client} ${server}`]);
  });

  it('a frame that leaves by a link is the translated packet', () => {
    expect(seen([into(packet('tcp', client, vip)), frame(packet('tcp', client, rip))])).toEqual(
      bothSides.slice(0, 2),
    );
  });

  it('what is written to the device and then leaves by a link is one packet', () => {
    const translated = packet('tcp', client, rip);
    const forwarded = Buffer.from(translated);
    forwarded[8] = 63;
    expect(
      seen([into(packet('tcp', client, vip)), outOf(translated), frame(forwarded), frame(forwarded, 0, 3)]),
    ).toEqual(bothSides.slice(0, 2));
  });

  it('a retransmission is another packet', () => {
    const [request, translated] = [packet('tcp', client, vip), packet('tcp', client, rip)];
    expect(seen([into(request), outOf(translated), into(request, 300), outOf(translated, 300)])).toHaveLength(
      4,
    );
  });

  it('an ICMP error belongs to the connection it is about', () => {
    const translated = packet('tcp', client, rip);
    const about = packet('tcp', client, vip);
    expect(
      seen([
        into(about),
        outOf(translated),
        into(icmpError('10.2.1.3', translated)),
        outOf(icmpError('10.9.0.1', about)),
      ]),
    ).toEqual(bothSides.slice(0, 2).concat(bothSides.slice(2)));
  });

  it('a later piece of a datagram goes with its first, whichever comes first', () => {
    const whole = packet('udp', client, '10.9.0.1:53', 9);
    const first = Buffer.from(whole);
    first.writeUInt16BE(0x2000, 6);
    const later = Buffer.from(whole);
    later.writeUInt16BE(1, 6);
    const line = `client in dns ${client} -`;
    expect(seen([into(later), into(first)], { service: 'dns' })).toEqual([line, line]);
  });

  it('a data connection of FTP belongs to the service of its control connection', () => {
    const to = '10.2.1.5:33000';
    expect(
      seen([into(packet('tcp', client, '10.9.0.5:30001')), outOf(packet('tcp', client, to))], {
        service: 'files',
      }),
    ).toEqual([`client in files ${client} ${to}`, `server out files ${client} ${to}`]);
  });

  it('what a real server says on its own is nobody’s', () => {
    expect(seen([into(packet('tcp', rip, '198.51.100.1:443'))])).toEqual([]);
    expect(seen([into(Buffer.from('no packet'))])).toEqual([]);
  });

  it('are given a moment late, and not before', () => {
    const sightings = new Sightings(new Attribution(services, {}), 7);
    expect([...sightings.see(into(packet('tcp', client, vip)))]).toEqual([]);
    expect([...sightings.settle(999)]).toEqual([]);
    expect([...sightings.see(into(packet('tcp', '192.0.2.8:1', vip), 100))]).toHaveLength(1);
  });

  it('know a service that is added meanwhile', () => {
    const attribution = new Attribution([], {});
    const sightings = new Sightings(attribution, 7);
    expect([...sightings.see(into(packet('tcp', client, vip))), ...sightings.settle()]).toEqual([]);
    attribution.renew(services);
    const again = [...sightings.see(into(packet('tcp', client, vip, 3))), ...sightings.settle()];
    expect(again.map(({ placed }) => placed.client.address)).toEqual(['192.0.2.7' as IpAddress]);
  });
});

describe('a clock that is set', () => {
  const at = (ms: number) => [into(packet('tcp', client, vip), ms), outOf(packet('tcp', client, rip), ms)];
  const hour = 3_600_000;

  it('back holds nothing up: what was seen before is given with the next packet', () => {
    expect(seenAtOnce([...at(hour), ...at(5)])).toBe(2);
    expect(seen([...at(hour), ...at(5)])).toHaveLength(4);
  });

  it('forward gives what was seen before, as time that passes does', () => {
    expect(seenAtOnce([...at(5), ...at(hour)])).toBe(2);
  });

  it('back does not make a packet that comes again one that was seen', () => {
    const other = (ms: number): TappedPacket => frame(packet('tcp', client, rip), ms);
    expect(seen([...at(hour), other(5)])).toHaveLength(3);
  });
});
