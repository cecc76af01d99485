// SPDX-License-Identifier: Apache-2.0
/**
 * Counters as the addon hands them over, and what they say. Servers come as rows of numbers (native/napi/counters.h says
 * why); this is the only file that knows the columns. Signals are read when somebody asks for them, which most callers
 * do not.
 */
import type { Counters, ServerCounters, ServerTotals, ServiceCounters } from './dataplane.js';
import { latencyBounds, noSignals, type Histogram, type ServerSignals } from './signals.js';

export interface RawCounters extends Pick<
  Counters,
  'queues' | 'flowTable' | 'checks' | 'ingressPackets' | 'shortcuts'
> {
  /** Rows of `serverColumns`. */
  readonly servers: Float64Array;
  /** Rows of `signalColumns`, which the last column of servers points into; -1 there is none. */
  readonly signals: Float64Array;
  /** Rows of slot, connections, schedule failures, cursor. */
  readonly services: Float64Array;
}

const serverColumns = 11;
const serviceColumns = 4;
/** Its buckets, and the sum in microseconds. */
const histogramColumns = latencyBounds.length + 2;
const otherSignals = 2 * histogramColumns;
const signalColumns = otherSignals + 9;

export const decodeCounters = (raw: RawCounters): Counters => new DecodedCounters(raw);

/** Rows become objects one by one when they are asked for: of a hundred thousand servers that is most of the work. */
class DecodedCounters implements Counters {
  readonly queues: Counters['queues'];
  readonly flowTable: Counters['flowTable'];
  readonly checks: Counters['checks'];
  readonly ingressPackets: number;
  readonly shortcuts: number;
  readonly #servers: Rows<ServerCounters>;
  readonly #services: Rows<ServiceCounters>;

  constructor({
    queues,
    flowTable,
    checks,
    ingressPackets,
    shortcuts,
    servers,
    signals,
    services,
  }: RawCounters) {
    this.queues = queues;
    this.flowTable = flowTable;
    this.checks = checks;
    this.ingressPackets = ingressPackets;
    this.shortcuts = shortcuts;
    this.#servers = new Rows(servers, serverColumns, (at) => serverAt(servers, signals, at));
    this.#services = new Rows(services, serviceColumns, (at) => serviceAt(services, at));
  }

  get servers(): readonly ServerCounters[] {
    return this.#servers.all();
  }
  get services(): readonly ServiceCounters[] {
    return this.#services.all();
  }
  get totals(): ServerTotals {
    return {
      connections: this.#servers.sum(5),
      inPackets: this.#servers.sum(6),
      inBytes: this.#servers.sum(7),
      outPackets: this.#servers.sum(8),
      outBytes: this.#servers.sum(9),
    };
  }
  serverAt(slot: number): ServerCounters | undefined {
    return this.#servers.of(slot);
  }
  serviceAt(slot: number): ServiceCounters | undefined {
    return this.#services.of(slot);
  }
}

/** A table whose first column is the slot, in ascending order. */
class Rows<Row> {
  readonly #table: Float64Array;
  readonly #columns: number;
  readonly #rowAt: (at: number) => Row;
  #all: readonly Row[] | undefined;
  /** By slot, where its row begins, and one more, since 0 is none. */
  #index: Int32Array | undefined;

  constructor(table: Float64Array, columns: number, rowAt: (at: number) => Row) {
    this.#table = table;
    this.#columns = columns;
    this.#rowAt = rowAt;
  }

  all(): readonly Row[] {
    if (this.#all !== undefined) return this.#all;
    const rows: Row[] = [];
    for (let at = 0; at < this.#table.length; at += this.#columns) rows.push(this.#rowAt(at));
    return (this.#all = rows);
  }

  of(slot: number): Row | undefined {
    this.#index ??= this.#indexed();
    const at = this.#index[slot] ?? 0;
    return at === 0 ? undefined : this.#rowAt(at - 1);
  }

  sum(column: number): number {
    let sum = 0;
    for (let at = column; at < this.#table.length; at += this.#columns) sum += cell(this.#table, at);
    return sum;
  }

  #indexed(): Int32Array {
    const last = this.#table.length - this.#columns;
    const index = new Int32Array(last < 0 ? 0 : cell(this.#table, last) + 1);
    for (let at = 0; at <= last; at += this.#columns) index[cell(this.#table, at)] = at + 1;
    return index;
  }
}

const cell = (table: Float64Array, at: number): number => table[at] ?? 0;

function serverAt(table: Float64Array, signals: Float64Array, at: number): ServerCounters {
  const row = cell(table, at + 10);
  return {
    slot: cell(table, at),
    active: cell(table, at + 1),
    inactive: cell(table, at + 2),
    persistent: cell(table, at + 3),
    overloaded: table[at + 4] === 1,
    connections: cell(table, at + 5),
    inPackets: cell(table, at + 6),
    inBytes: cell(table, at + 7),
    outPackets: cell(table, at + 8),
    outBytes: cell(table, at + 9),
    signals: row < 0 ? noSignals : new SignalsRow(signals, row * signalColumns),
  };
}

const serviceAt = (table: Float64Array, at: number): ServiceCounters => ({
  slot: cell(table, at),
  connections: cell(table, at + 1),
  scheduleFailures: cell(table, at + 2),
  cursor: cell(table, at + 3),
});

class SignalsRow implements ServerSignals {
  readonly #table: Float64Array;
  readonly #at: number;

  constructor(table: Float64Array, at: number) {
    this.#table = table;
    this.#at = at;
  }

  get handshake(): Histogram {
    return this.#histogram(0);
  }
  get firstByte(): Histogram {
    return this.#histogram(histogramColumns);
  }
  get handshakesAmbiguous(): number {
    return this.#other(0);
  }
  get firstBytesAmbiguous(): number {
    return this.#other(1);
  }
  get synRepeated(): number {
    return this.#other(2);
  }
  get synUnanswered(): number {
    return this.#other(3);
  }
  get handshakesRefused(): number {
    return this.#other(4);
  }
  get resets(): number {
    return this.#other(5);
  }
  get unreachable(): number {
    return this.#other(6);
  }
  get retransmissionsIn(): number {
    return this.#other(7);
  }
  get retransmissionsOut(): number {
    return this.#other(8);
  }

  /** Getters are on the prototype, where JSON does not look. */
  toJSON(): ServerSignals {
    const { handshake, firstByte, handshakesAmbiguous, firstBytesAmbiguous, synRepeated } = this;
    const { synUnanswered, handshakesRefused, resets, unreachable } = this;
    const { retransmissionsIn, retransmissionsOut } = this;
    return {
      handshake,
      firstByte,
      handshakesAmbiguous,
      firstBytesAmbiguous,
      synRepeated,
      synUnanswered,
      handshakesRefused,
      resets,
      unreachable,
      retransmissionsIn,
      retransmissionsOut,
    };
  }

  #other(column: number): number {
    return cell(this.#table, this.#at + otherSignals + column);
  }

  #histogram(column: number): Histogram {
    const begin = this.#at + column;
    const counts: number[] = [];
    let count = 0;
    for (let at = begin; at < begin + histogramColumns - 1; at += 1) {
      const one = cell(this.#table, at);
      counts.push(one);
      count += one;
    }
    return { counts, count, sum: cell(this.#table, begin + histogramColumns - 1) / 1e6 };
  }
}
