// SPDX-License-Identifier: Apache-2.0
/**
 * What happened, for whoever looks on: the last thousand things in a ring, and everything new to subscribers. An event is
 * numbered from 1 and never changed; who was away asks for what came after the last number he knows.
 */

export const eventKinds = [
  /** A server's checks have another verdict. */
  'health',
  /** What a service does about it: quorum lost and regained, sorry and backup servers in use. */
  'standing',
  /** A custom scheduler fails to plan, or plans again. */
  'scheduler',
  /** A server begins to be drained, is empty, or has reached its deadline. */
  'drain',
  /** Changed at run time: by the API, a command or ipvsadm. */
  'change',
  'reload',
  /** Connections ended by an operator. */
  'flows',
  /** Packets no longer move. */
  'device',
  /** Routes and rules are not as they should be, or are again. */
  'host',
] as const;

/** What an event is about. */
export type EventKind = (typeof eventKinds)[number];

/** Something that happened; never changed afterwards. */
export interface DirectorEvent {
  readonly id: number;
  /** Unix milliseconds. */
  readonly at: number;
  readonly kind: EventKind;
  readonly service: string | null;
  readonly server: string | null;
  /** One sentence, for people. */
  readonly text: string;
  /** The same for machines. */
  readonly detail: Readonly<Record<string, string | number | boolean | null | readonly string[]>>;
}

/** An event as it is recorded; number and time are given to it. */
export type NewEvent = Pick<DirectorEvent, 'kind' | 'text'> & Partial<Omit<DirectorEvent, 'id' | 'at'>>;

/** Events that followed one another. */
export interface EventPage {
  readonly events: readonly DirectorEvent[];
  /** Events after the number asked for that the ring has lost. */
  readonly missed: number;
}

/** Called with each new event; must not throw. */
export type EventListener = (event: DirectorEvent) => void;

/** The last thousand events, and those to come. */
export class Events {
  readonly #now: () => number;
  readonly #capacity: number;
  readonly #listeners = new Set<EventListener>();
  #ring: DirectorEvent[] = [];
  #last = 0;

  /** `now` in Unix milliseconds. */
  constructor(now: () => number, capacity = 1000) {
    this.#now = now;
    this.#capacity = capacity;
  }

  /** The number of the last event; 0 before the first. */
  get last(): number {
    return this.#last;
  }

  /** Adds one, and tells the subscribers; for programs that have something to tell of their own. */
  record({ kind, text, service = null, server = null, detail = {} }: NewEvent): DirectorEvent {
    this.#last += 1;
    const event = { id: this.#last, at: this.#now(), kind, service, server, text, detail };
    this.#ring.push(event);
    // Cut now and then rather than every time: shift() moves all that is left.
    if (this.#ring.length >= 2 * this.#capacity) this.#ring = this.#ring.slice(-this.#capacity);
    for (const listener of [...this.#listeners]) listener(event);
    return event;
  }

  /** What came after event `id`, oldest first; from the oldest there is with 0. */
  after(id = 0): EventPage {
    const kept = this.#ring.slice(-this.#capacity);
    const first = this.#last - kept.length + 1;
    return {
      events: kept.slice(Math.max(0, id + 1 - first)),
      missed: Math.max(0, first - 1 - Math.max(0, id)),
    };
  }

  /** From now on; the function it gives back ends it. A listener must not throw. */
  subscribe(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
