// SPDX-License-Identifier: Apache-2.0
/** What the demo claims, checked: every sentence it shows is compared with what was measured, and may be false. */
import { clientAddress, demoServers, vip } from './topology.js';

export interface Measured {
  readonly requests: number;
  /** The name in each answer, in order. */
  readonly answers: readonly string[];
  /** Per server name: the client addresses it logged, one per request. */
  readonly seenClients: ReadonlyMap<string, readonly string[]>;
  /** Packets that arrived at the client, by source address; null when nothing could capture. */
  readonly sources: ReadonlyMap<string, number> | null;
  /** vsnat_server_connections_total, by RIP and port. */
  readonly counted: ReadonlyMap<string, number>;
}

export interface Finding {
  readonly holds: boolean;
  readonly sentence: string;
}

const totalWeight = demoServers.reduce((sum, server) => sum + server.weight, 0);

export const shareOf = (weight: number, requests: number): number => (requests * weight) / totalWeight;

export const answersOf = (name: string, measured: Measured): number =>
  measured.answers.filter((answer) => answer === name).length;

export function findings(measured: Measured): readonly Finding[] {
  const { requests, sources, seenClients, counted } = measured;
  const shares = demoServers.map((server) => answersOf(server.name, measured));
  const wanted = demoServers.map((server) => shareOf(server.weight, requests));
  const logged = demoServers.map((server) => seenClients.get(server.name) ?? []);
  const strangers = new Set(logged.flat().filter((address) => address !== clientAddress));
  const totals = demoServers.map((server) => counted.get(server.address) ?? 0);

  const list: Finding[] = [
    {
      holds: same(shares, wanted),
      sentence: `${requests} requests shared ${shares.join(' : ')}; the weights ask for ${wanted.join(' : ')}`,
    },
    {
      holds:
        strangers.size === 0 &&
        same(
          logged.map((addresses) => addresses.length),
          shares,
        ),
      sentence:
        strangers.size === 0
          ? `the real servers logged the real client: ${clientAddress}, ${logged.flat().length} times`
          : `the real servers logged somebody else: ${[...strangers].join(', ')} instead of ${clientAddress}`,
    },
    {
      holds: same(totals, shares),
      sentence: `the director counted the same: ${totals.join(' : ')} connections`,
    },
  ];
  if (sources !== null) list.push(wireFinding(sources));
  return list;
}

function wireFinding(sources: ReadonlyMap<string, number>): Finding {
  const fromVip = sources.get(vip) ?? 0;
  const fromRips = demoServers.reduce((sum, server) => sum + (sources.get(server.address) ?? 0), 0);
  const others = [...sources.keys()].filter(
    (address) => address !== vip && demoServers.every((server) => server.address !== address),
  );
  const also = others.length === 0 ? '' : `, from others (${others.join(', ')}) too`;
  return {
    holds: fromVip > 0 && fromRips === 0 && others.length === 0,
    sentence: `packets the client received: ${fromVip} from the VIP, ${fromRips} from any RIP${also}`,
  };
}

const same = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, index) => value === b[index]);

/** vsnat_server_connections_total{service="web",server="10.2.1.2:8080"} 50 → 10.2.1.2: 50 */
export function connectionsByServer(metrics: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const match of metrics.matchAll(
    /^vsnat_server_connections_total\{[^}]*server="([\d.]+):\d+"[^}]*\} (\d+)/gm,
  ))
    counts.set(match[1] ?? '', Number(match[2]));
  return counts;
}
