// SPDX-License-Identifier: Apache-2.0
/**
 * Datagrams from the client to the real server, no faster than they arrive (bench/load/flood.cc): in bulk, with and
 * without superpackets, and as packets of 64 bytes that belong to one flow, to some, or to very many.
 */
import type { Family } from '../../test/netns/support/lab.js';
import { families, measured, warmUpSeconds, type Load, type Outcome, type Site, type To } from './load.js';

/** More than this lost of what a sender that waits for the path has sent: the path was not measured, something broke. */
const tolerableLoss = 0.02;

interface Flood {
  readonly name: string;
  readonly family: Family;
  readonly flows: number;
  readonly size: number;
  readonly segments: number;
  readonly window: number;
  readonly isMain: boolean;
  readonly unit: 'Gbit/s' | 'packets/s';
}

function flood({ name, family, flows, size, segments, window, isMain, unit }: Flood): Load {
  const options = (site: Site, to: To) => ({
    ...{ to: to('sink'), flows, size, segments, window, count: site.countFile },
    ...{ device: site.device, 'next-hop': site.nextHop },
  });
  const run = async (site: Site, to: To, seconds: number): Promise<Outcome> => {
    const result = await measured(site, 'flood', { ...options(site, to), seconds });
    if (result.lost > result.sent * tolerableLoss)
      throw new Error(`${result.lost} of ${result.sent} datagrams were lost`);
    const rate = unit === 'Gbit/s' ? result.gbitPerSecond : result.perSecond;
    return { values: { rate }, work: unit === 'Gbit/s' ? result.bytesReceived / 1e9 : result.received / 1e6 };
  };
  return {
    name,
    service: 'sink',
    family,
    flows,
    isMain,
    figures: [{ name: 'rate', unit, better: 'more' }],
    perUnit: unit === 'Gbit/s' ? 'GB' : 'million packets',
    async warmUp(site, to) {
      // Every flow is opened once, so that what is measured afterwards is what each packet costs.
      if (flows > 1) await measured(site, 'flood', { ...options(site, to), datagrams: flows, seconds: 20 });
      else await run(site, to, warmUpSeconds);
    },
    run,
  };
}

/**
 * Datagrams under way. What a socket's receive buffer holds where nobody may enlarge it (net.core.rmem_max, 208 KiB): nginx
 * receives through one, and is not to lose packets that the load could have held back.
 */
const windows = { small: 256, full: 128, superpackets: 176 } as const;

const headers = { v4: 28, v6: 48 } as const;
const mtu = 1500;
/** As many as fit 64 KiB. */
const segmentsOfSuperpacket = 44;

export const bulkUdp = (offload: 'USO' | 'no USO', family: Family = 'v4'): Load =>
  flood({
    name: `${families[family]}bulk UDP, ${offload}`,
    family,
    flows: 1,
    size: mtu - headers[family],
    segments: offload === 'USO' ? segmentsOfSuperpacket : 1,
    window: offload === 'USO' ? windows.superpackets : windows.full,
    isMain: false,
    unit: 'Gbit/s',
  });

export interface SmallPacketOptions {
  readonly flows: number;
  readonly family?: Family;
  readonly isMain?: boolean;
}

/** 64 bytes are the least Ethernet carries, with its checksum; an IPv6 packet with as much payload has 20 more. */
export const smallPackets = ({ flows, family = 'v4', isMain = false }: SmallPacketOptions): Load =>
  flood({
    name: `${families[family]}64-byte UDP, ${flows.toLocaleString('en')} flow${flows === 1 ? '' : 's'}`,
    family,
    flows,
    size: 18,
    segments: 1,
    window: windows.small,
    isMain,
    unit: 'packets/s',
  });
