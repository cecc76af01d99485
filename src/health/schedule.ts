// SPDX-License-Identifier: Apache-2.0
/**
 * When what is begun. All entries stand in one heap, by when they are due; one timer waits for the first, or for the end of
 * a short pause, so that many of them share a wakeup. Then at most `startsPerTurn` are begun before the event loop gets its
 * turn, and none while there is no room; the others wait in the order in which they were due, so none starves.
 */
import type { Clock } from './clock.js';
import { Heap, type HeapEntry } from './heap.js';

const startsPerTurn = 32;
/** What falls due within it begins together. On its own each wakeup would cost about as much as the check it is for. */
export const pauseMs = 20;

interface ScheduleParts<E> {
  readonly clock: Pick<Clock, 'now' | 'after'>;
  readonly hasRoom: () => boolean;
  /** The entry is out of the schedule until somebody sets it again. */
  readonly begin: (entry: E, now: number) => void;
}

export class Schedule<E extends HeapEntry> {
  readonly #parts: ScheduleParts<E>;
  readonly #due = new Heap<E>();
  /** No turn comes sooner, unless the one before has left something. */
  #restsUntil = -Infinity;
  #timer: { readonly at: number; readonly cancel: () => void } | undefined;
  #isClosed = false;

  constructor(parts: ScheduleParts<E>) {
    this.#parts = parts;
  }

  /** Puts `entry` in, or moves it. Takes effect with wait(). */
  set(entry: E, at: number): void {
    this.#due.set(entry, at);
  }

  delete(entry: E): void {
    this.#due.delete(entry);
  }

  /** Keeps the one timer at the next turn; to be called after any change. */
  wait(): void {
    const first = this.#due.first();
    if (this.#isClosed || first === undefined || !this.#parts.hasRoom()) return;
    const at = Math.max(first.at, this.#restsUntil);
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.cancel();
    const { clock } = this.#parts;
    const wait = Math.max(1, Math.ceil(at - clock.now()));
    this.#timer = { at, cancel: clock.after(wait, () => this.#turn()) };
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #turn(): void {
    this.#timer = undefined;
    const now = this.#parts.clock.now();
    let started = 0;
    for (; started < startsPerTurn && this.#parts.hasRoom(); started += 1) {
      const entry = this.#due.first();
      if (entry === undefined || entry.at > now) break;
      this.#due.delete(entry);
      this.#parts.begin(entry, now);
    }
    this.#restsUntil = started < startsPerTurn ? now + pauseMs : now;
    this.wait();
  }
}
