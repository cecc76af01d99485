// SPDX-License-Identifier: Apache-2.0
/**
 * The ways of health checks through a VIP: each check under way has a port of its source address to itself, by which the
 * dataplane knows to which server it is to be led.
 *
 * A port rests for a while after its check. What the socket said when it was closed must still find the connection, or the
 * server would never hear of the end; and what the server says late must not meet the next check. Ports are taken in turn,
 * so each comes again as late as can be. Where to begin is drawn, lest servers take the first checks after a restart for
 * connections they still know.
 */
import type { CheckEnds, CheckLeads } from '../dataplane/dataplane.js';
import type { Clock } from '../health/clock.js';
import type { ConnectThrough, Detour } from '../health/state.js';
import { wayIn, type VirtualService } from '../model/index.js';
import type { PlacedService } from './report.js';

/** Below are those that packet filters look at twice. */
const firstPort = 1024;
const ports = 65536 - firstPort;

/** Ten round trips around the world. */
const restMs = 2_000;

export interface CheckWaysParts {
  readonly leads: CheckLeads;
  /** A service as it runs, and where it lives in the dataplane. */
  readonly placeOf: (
    service: string,
  ) => { readonly service: VirtualService; readonly placed: PlacedService } | undefined;
  readonly clock: Clock;
  /** 0..1, as Math.random. */
  readonly random?: () => number;
}

export class CheckWays {
  readonly #parts: CheckWaysParts;
  #next: number;
  /** Under way or resting. */
  readonly #taken = new Set<number>();
  /** In the order in which their rest ends. */
  #resting: { readonly ends: CheckEnds; readonly until: number }[] = [];
  #cancel: (() => void) | undefined;
  readonly #slots = new WeakMap<PlacedService, ReadonlyMap<string, number>>();

  constructor(parts: CheckWaysParts) {
    this.#parts = parts;
    this.#next = Math.floor((parts.random ?? Math.random)() * ports);
  }

  /** null while the server is not where it is to be asked, and when every port is taken. */
  readonly connect: ConnectThrough = (wanderer): Detour | null => {
    const { leads, placeOf } = this.#parts;
    const { source } = wanderer.check;
    const running = placeOf(wanderer.service);
    if (running === undefined || source === null) return null;
    const serverSlot = this.#slotsOf(running.placed).get(wanderer.server);
    const way = wayIn(running.service, wanderer.check, wanderer);
    if (serverSlot === undefined || way === null) return null;
    const sourcePort = this.#takePort();
    if (sourcePort === undefined) return null;
    if (!leads.lead(sourcePort, running.placed.slot, serverSlot)) {
      this.#taken.delete(sourcePort); // nothing has come from it, so it needs no rest
      return null;
    }
    const { protocol, address, port } = way;
    const ends = { protocol, source, sourcePort, virtualAddress: address, virtualPort: port };
    return {
      destination: { address, port },
      open: () => leads.open(protocol, source, sourcePort),
      release: () => this.#rest(ends),
    };
  };

  close(): void {
    this.#cancel?.();
    this.#resting = [];
  }

  #takePort(): number | undefined {
    if (this.#taken.size === ports) return undefined;
    for (;;) {
      const port = firstPort + this.#next;
      this.#next = (this.#next + 1) % ports;
      if (this.#taken.has(port)) continue;
      this.#taken.add(port);
      return port;
    }
  }

  #rest(ends: CheckEnds): void {
    this.#resting.push({ ends, until: this.#parts.clock.now() + restMs });
    this.#cancel ??= this.#parts.clock.after(restMs, () => this.#wake());
  }

  #wake(): void {
    const { leads, clock } = this.#parts;
    const now = clock.now();
    const first = this.#resting.findIndex(({ until }) => until > now);
    const rested = this.#resting.splice(0, first === -1 ? this.#resting.length : first);
    for (const { ends } of rested) {
      leads.end(ends);
      this.#taken.delete(ends.sourcePort);
    }
    const [next] = this.#resting;
    this.#cancel = next && clock.after(next.until - now, () => this.#wake());
  }

  #slotsOf(placed: PlacedService): ReadonlyMap<string, number> {
    let slots = this.#slots.get(placed);
    if (slots === undefined) {
      slots = new Map(placed.servers.map(({ server, slot }) => [server, slot]));
      this.#slots.set(placed, slots);
    }
    return slots;
  }
}
