// SPDX-License-Identifier: Apache-2.0
/**
 * What the tap shows, as packets of connections: each once, in order, a moment late. Pure: the time is that of the packets.
 *
 * A translated packet is seen where the director writes it, and again wherever it leaves this host after that: a bridge and its
 * port, or the way through the kernel while others leave as frames (docs/ways.md). The first interface that showed it counts. A
 * retransmission comes by that one again, and is another packet.
 */
import type { TappedPacket } from '../../dataplane/packet-tap.js';
import type { Attribution, Placed } from './attribution.js';
import { endsOf, type PacketEnds } from './packet-ends.js';

export interface Sighting {
  readonly packet: TappedPacket;
  readonly placed: Placed;
  /** Before its translation it goes into the device; afterwards it comes out of there, or leaves as a frame. */
  readonly isTranslated: boolean;
}

interface Waiting {
  readonly packet: TappedPacket;
  readonly ends: PacketEnds;
  readonly isTranslated: boolean;
}

/** A translation takes microseconds; a director that is overrun takes longer. */
const patienceSeconds = 0.05;
/** Who is further ahead than that was there before the clock was set back: the kernel's stamps are of CLOCK_REALTIME. */
const mostAhead = 1;
const mostWaiting = 8_192;
const mostRemembered = 16_384;

export class Sightings {
  readonly #attribution: Attribution;
  readonly #device: number;
  readonly #waiting: Waiting[] = [];
  /** Interfaces by identity. */
  readonly #firstSeen = new Map<string, { readonly interface: number; readonly at: number }>();
  /** Ends of the first piece, by datagram. */
  readonly #datagrams = new Map<string, PacketEnds>();

  constructor(attribution: Attribution, device: number) {
    this.#attribution = attribution;
    this.#device = device;
  }

  /** Gives those whose time has come, and takes one packet. To be read to its end. */
  *see(packet: TappedPacket): Generator<Sighting> {
    yield* this.settle(timeOf(packet) - patienceSeconds);
    const ends = endsOf(packet.bytes);
    const isTranslated = !(packet.interface === this.#device && packet.outgoing);
    if (ends !== null && !(isTranslated && this.#isSeenAgain(packet, ends))) {
      if (ends.datagram !== null && !ends.isLaterPiece) remember(this.#datagrams, ends.datagram, ends);
      this.#attribution.notice(ends);
      this.#waiting.push({ packet, ends, isTranslated });
    }
  }

  /** Those that passed before `until`, in Unix seconds; all without. */
  *settle(until = Number.POSITIVE_INFINITY): Generator<Sighting> {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      const ahead = timeOf(first.packet) - until;
      if (ahead > 0 && ahead <= mostAhead && this.#waiting.length <= mostWaiting) return;
      this.#waiting.shift();
      const placed = this.#attribution.place(this.#wholeOf(first.ends));
      if (placed !== null) yield { packet: first.packet, placed, isTranslated: first.isTranslated };
    }
  }

  #wholeOf(ends: PacketEnds): PacketEnds {
    return (ends.isLaterPiece ? this.#datagrams.get(ends.datagram ?? '') : undefined) ?? ends;
  }

  #isSeenAgain(packet: TappedPacket, { identity }: PacketEnds): boolean {
    const known = this.#firstSeen.get(identity);
    const at = timeOf(packet);
    if (known !== undefined && known.interface !== packet.interface && Math.abs(at - known.at) < 1)
      return true;
    remember(this.#firstSeen, identity, { interface: packet.interface, at });
    return false;
  }
}

export const timeOf = ({ seconds, nanoseconds }: TappedPacket): number => seconds + nanoseconds / 1e9;

/** The oldest goes when there are too many. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > mostRemembered) map.delete(map.keys().next().value ?? '');
}
