// SPDX-License-Identifier: Apache-2.0
/**
 * Accounts of traffic, each a row of one array of numbers: what the dataplane said last, the total since the account was
 * opened, where the last line was drawn, the total at the last tick, and the averages that rates are made of.
 */
import { nextAverage, ratesOf, type Flow } from '../ipvsadm/index.js';

export interface Numbers {
  /** Since the last line. */
  readonly totals: Flow;
  readonly rates: Flow;
}

const names = [
  'connections',
  'inPackets',
  'outPackets',
  'inBytes',
  'outBytes',
] as const satisfies (keyof Flow)[];
/** Where each part of a row begins. */
const seen = 0;
const total = names.length;
const line = 2 * names.length;
const ticked = 3 * names.length;
const average = 4 * names.length;
const width = 5 * names.length;

export class Accounts {
  #cells = new Float64Array(64 * width);
  #rows = 0;
  #free: number[] = [];
  /** Rows that have counted since the last tick, or whose averages still fall: a tick has nothing to do with the others. */
  readonly #lively = new Set<number>();

  /** A row whose total begins at nothing, however much was counted before. */
  open(counted: Flow): number {
    const row = this.#free.pop() ?? this.#rows++;
    const begin = row * width;
    if (begin + width > this.#cells.length) {
      const larger = new Float64Array(2 * this.#cells.length);
      larger.set(this.#cells);
      this.#cells = larger;
    }
    this.#cells.fill(0, begin, begin + width);
    this.#saw(begin, counted);
    return row;
  }

  close(row: number): void {
    const begin = row * width;
    this.#cells.fill(0, begin, begin + width);
    this.#lively.delete(row);
    this.#free.push(row);
  }

  /**
   * Takes new numbers of the dataplane, and adds what they add, but for connections, to the service they belong to. A server
   * that came back may begin at nothing again.
   */
  see(row: number, now: Flow, service?: number): void {
    const cells = this.#cells;
    const begin = row * width;
    const then = (column: number): number => cells[begin + seen + column] ?? 0;
    if (now.connections === then(0) && now.inPackets === then(1) && now.outPackets === then(2)) return;
    this.#lively.add(row);
    if (service !== undefined) this.#lively.add(service);
    const beginsAnew = now.connections < then(0) || now.inPackets < then(1);
    for (const [column, name] of names.entries()) {
      const added = now[name] - (beginsAnew ? 0 : then(column));
      this.#add(begin + total + column, added);
      if (service !== undefined && name !== 'connections') this.#add(service * width + total + column, added);
    }
    this.#saw(begin, now);
  }

  /** To be called every two seconds. */
  tick(): void {
    const cells = this.#cells;
    for (const row of this.#lively) {
      const begin = row * width;
      let isLively = false;
      for (const [column, name] of names.entries()) {
        const now = cells[begin + total + column] ?? 0;
        const counted = now - (cells[begin + ticked + column] ?? 0);
        const before = cells[begin + average + column] ?? 0;
        if (counted === 0 && before === 0) continue;
        cells[begin + ticked + column] = now;
        cells[begin + average + column] = nextAverage(name, before, counted);
        isLively = true;
      }
      if (!isLively) this.#lively.delete(row);
    }
  }

  drawLine(row: number): void {
    const begin = row * width;
    const totals = this.#cells.slice(begin + total, begin + total + names.length);
    this.#cells.set(totals, begin + line);
    this.#cells.set(totals, begin + ticked);
    this.#cells.fill(0, begin + average, begin + width);
  }

  numbers(row: number): Numbers {
    const begin = row * width;
    const cell = (part: number, column: number): number => this.#cells[begin + part + column] ?? 0;
    return {
      totals: flowOf((column) => cell(total, column) - cell(line, column)),
      rates: ratesOf(flowOf((column) => cell(average, column))),
    };
  }

  #add(at: number, amount: number): void {
    this.#cells[at] = (this.#cells[at] ?? 0) + amount;
  }

  #saw(begin: number, { connections, inPackets, outPackets, inBytes, outBytes }: Flow): void {
    this.#cells.set([connections, inPackets, outPackets, inBytes, outBytes], begin + seen);
  }
}

/** In the order of `names`. */
const flowOf = (column: (index: number) => number): Flow => ({
  connections: column(0),
  inPackets: column(1),
  outPackets: column(2),
  inBytes: column(3),
  outBytes: column(4),
});
