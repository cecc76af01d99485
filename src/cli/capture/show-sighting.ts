// SPDX-License-Identifier: Apache-2.0
/** A captured packet as a line for people, as JSON, and as a block of pcapng. Pure. */
import { formatEndpoint } from '../../model/index.js';
import { endsOf } from './packet-ends.js';
import { interfaceBlock, packetBlock, sectionBlock } from './pcapng-write.js';
import type { Sighting } from './sightings.js';

const sides = ['client', 'server'] as const;

/** What stands before the packets. Its interfaces are the sides, in their order. */
export const captureHead = (version: string, device: string, snaplen: number): Buffer =>
  Buffer.concat([
    sectionBlock(`vsnat ${version}`),
    interfaceBlock(
      'client side',
      `CIP and VIP: requests before translation, replies after it (${device})`,
      snaplen,
    ),
    interfaceBlock(
      'server side',
      `CIP and RIP: requests after translation, replies before it (${device})`,
      snaplen,
    ),
  ]);

export const captureBlock = (sighting: Sighting): Buffer => {
  const { packet, placed, isTranslated } = sighting;
  return packetBlock({
    ...packet,
    interface: sides.indexOf(placed.side),
    direction: isTranslated ? 'outbound' : 'inbound',
    comment: whose(sighting),
  });
};

/** The same for all packets of a connection, so that one can search for it. */
function whose({ placed: { service, client, vip, server } }: Sighting): string {
  const to = server === null ? 'not forwarded' : `server ${formatEndpoint(server)}`;
  return `${service ?? 'no service'}: ${formatEndpoint(client)} -> ${formatEndpoint(vip)}, ${to}`;
}

export function captureLine(sighting: Sighting): string {
  const { packet, placed } = sighting;
  const ends = endsOf(packet.bytes);
  if (ends === null) return '';
  const { source, destination, protocol, carrier } = ends;
  const what = carrier === 'icmp' && protocol !== 'icmp' ? `icmp error about ${protocol}` : protocol;
  return (
    `${clockOf(sighting)} ${placed.side}  ${what} ${formatEndpoint(source)} > ${formatEndpoint(destination)}` +
    `${ends.flags === null ? '' : ` [${ends.flags}]`}, ${packet.length} bytes  (${whose(sighting)})`
  );
}

export const captureJson = (sighting: Sighting): object => {
  const { packet, placed, isTranslated } = sighting;
  const { side, service, client, vip, server } = placed;
  return {
    time: packet.seconds + packet.nanoseconds / 1e9,
    side,
    translated: isTranslated,
    service,
    client: formatEndpoint(client),
    vip: formatEndpoint(vip),
    server: server === null ? null : formatEndpoint(server),
    length: packet.length,
  };
};

/** UTC, to the microsecond, as everything else that vsnat prints. */
function clockOf({ packet: { seconds, nanoseconds } }: Sighting): string {
  const whole = new Date(seconds * 1000).toISOString().slice(11, 19);
  return `${whole}.${String(Math.floor(nanoseconds / 1000)).padStart(6, '0')}`;
}
