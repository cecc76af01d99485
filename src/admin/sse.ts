// SPDX-License-Identifier: Apache-2.0
/** Reading server-sent events (WHATWG HTML, section 9.2.6), piece by piece as they come over a wire. */

export interface ServerSentEvent {
  /** What to come back with: the last id seen, also of an earlier event. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** A line of ours is a few hundred bytes. */
const maxLine = 1024 * 1024;

export class EventParser {
  #rest = '';
  #id = '';
  #event = '';
  #data: string[] = [];

  /** The last id the stream has given. */
  get lastId(): string {
    return this.#id;
  }

  /** The events that end in this piece. Throws when a line does not end. */
  push(piece: string): readonly ServerSentEvent[] {
    const lines = (this.#rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > maxLine) throw new Error('a line of the events does not end');
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): readonly ServerSentEvent[] {
    if (line === '') return this.#end();
    const [, name = '', value = ''] = /^([^:]*)(?::\u0020?(.*))?$/s.exec(line) ?? [];
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#event = value;
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
    return [];
  }

  #end(): readonly ServerSentEvent[] {
    const [data, event] = [this.#data, this.#event || 'message'];
    this.#data = [];
    this.#event = '';
    return data.length === 0 ? [] : [{ id: this.#id, event, data: data.join('\n') }];
  }
}
