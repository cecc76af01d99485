// SPDX-License-Identifier: Apache-2.0
/** What clients did, from a capture of what they sent: `tcpdump -w` at a balancer, a server or a mirror port. */
import { formatEndpoint, type Listen } from '../model/index.js';
import { readCapture } from '../packet/capture-file.js';
import { readPacket, type PacketFacts } from '../packet/read.js';
import type { TraceConnection } from './trace.js';

/** The connections of a capture. */
export interface CapturedTrace {
  /** In the order of their begins. */
  readonly trace: readonly TraceConnection[];
  /** Packets of the file that tell of no connection: no IPv4, no TCP or UDP, cut short, or not to `to`. */
  readonly leftOut: number;
  /** TCP connections that had begun before the capture did; they are not in the trace. */
  readonly inTheMiddle: number;
}

interface Seen {
  readonly client: string;
  readonly firstMs: number;
  lastMs: number;
  hasEnded: boolean;
}

/**
 * A trace from a pcap or pcapng file's bytes; `name` is its name in messages. A TCP connection goes from its SYN to the first
 * FIN or RST, a UDP one from its first datagram to its last. `to`: only connections to these places count; left out, what
 * a SYN or a first datagram asks for. Throws VSNAT_USAGE for what is no capture.
 */
export function traceOfCapture(
  bytes: Uint8Array,
  name = 'capture',
  to?: readonly Pick<Listen, 'protocol' | 'address' | 'port'>[],
): CapturedTrace {
  const file = readCapture(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), name);
  const wanted = to && new Set(to.map((one) => `${one.protocol} ${formatEndpoint(one)}`));
  const begun: Seen[] = [];
  const current = new Map<string, Seen>();
  const strangers = new Set<string>();
  let leftOut = file.leftOut;
  for (const { packet, atMs } of file.packets) {
    const facts = readPacket(packet);
    if (facts === null || !isTold(facts)) {
      leftOut += 1;
      continue;
    }
    const [asking, answering] = [
      keyOf(facts),
      keyOf({ ...facts, source: facts.destination, destination: facts.source }),
    ];
    const isAnswer = current.has(answering) && !(facts.protocol === 'tcp' && facts.opens);
    const key = isAnswer ? answering : asking;
    const known = current.get(key);
    const opens = facts.protocol === 'tcp' ? facts.opens && known?.hasEnded !== false : known === undefined;
    if (
      !isAnswer &&
      wanted !== undefined &&
      !wanted.has(`${facts.protocol} ${formatEndpoint(facts.destination)}`)
    ) {
      leftOut += 1;
      continue;
    }
    if (opens) {
      const seen = { client: facts.source.address, firstMs: atMs, lastMs: atMs, hasEnded: false };
      begun.push(seen);
      current.set(key, seen);
    } else if (known === undefined) {
      strangers.add([asking, answering].toSorted().join());
    } else if (!known.hasEnded) {
      known.lastMs = atMs;
      known.hasEnded = facts.flags.includes('fin') || facts.flags.includes('rst');
    }
  }
  const trace = begun.map(({ client, firstMs, lastMs }) => ({
    at: firstMs / 1000,
    client,
    duration: (lastMs - firstMs) / 1000,
  }));
  return { trace: trace.toSorted((a, b) => a.at - b.at), leftOut, inTheMiddle: strangers.size };
}

/** Simulations speak IPv4. */
const isTold = ({ protocol, source }: PacketFacts): boolean =>
  protocol !== 'sctp' && !source.address.includes(':');

const keyOf = ({
  protocol,
  source,
  destination,
}: Pick<PacketFacts, 'protocol' | 'source' | 'destination'>): string =>
  `${protocol} ${formatEndpoint(source)} ${formatEndpoint(destination)}`;
