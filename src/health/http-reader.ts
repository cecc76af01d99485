// SPDX-License-Identifier: Apache-2.0
/**
 * Reads an HTTP/1 response as far as a check needs it (RFC 9112): the status, and the first 64 KiB of the body where
 * somebody wants to see it. Pure; bytes come in pieces of any size. What is kept is bounded, what is no HTTP is
 * noticed at the first byte that is wrong, and nothing is read that the check does not need.
 */
export const maxHead = 16 * 1024;
export const maxBody = 64 * 1024;
/** 100, 103 and the like before the answer. */
const maxInterim = 16;
/** Of a chunk's size with its extensions. */
const maxLine = 1024;

export type HttpReading =
  | { readonly state: 'more' }
  /** `body` null: not wanted. */
  | { readonly state: 'done'; readonly status: number; readonly body: Buffer | null }
  | { readonly state: 'broken'; readonly why: string };

const more: HttpReading = { state: 'more' };
const broken = (why: string): HttpReading => ({ state: 'broken', why });

export class HttpReader {
  readonly #wantsBody: (status: number) => boolean;
  readonly #isHead: boolean;
  #head = '';
  #status = 0;
  #interim = 0;
  #body: BodyReader | undefined;

  /** `wantsBody` is asked once the status is known; `isHead`: the answer to HEAD, which has no body. */
  constructor(wantsBody: (status: number) => boolean, isHead = false) {
    this.#wantsBody = wantsBody;
    this.#isHead = isHead;
  }

  feed(bytes: Buffer): HttpReading {
    return this.#body === undefined ? this.#readHead(bytes) : this.#readBody(this.#body, bytes);
  }

  /** The peer has closed the connection. */
  end(): HttpReading {
    if (this.#body === undefined) {
      return broken(this.#head === '' ? 'closed without an answer' : 'closed within the headers');
    }
    if (!this.#body.endsWithConnection) return broken('closed within the body');
    return { state: 'done', status: this.#status, body: this.#body.taken() };
  }

  /** How far it has come, for a message. */
  progress(): string {
    if (this.#body !== undefined) return `status ${this.#status}, the body is not complete`;
    return this.#head === '' ? 'no status line yet' : 'the headers are not complete';
  }

  #readHead(bytes: Buffer): HttpReading {
    const from = Math.max(0, this.#head.length - 3);
    this.#head += bytes.toString('latin1');
    if (!startsLikeHttp(this.#head)) return broken(`not HTTP: "${this.#head.slice(0, 40)}"`);
    const end = endOfHead(this.#head, from);
    if (end === undefined) {
      return this.#head.length > maxHead ? broken(`more than ${maxHead / 1024} KiB of headers`) : more;
    }
    const head = this.#head.slice(0, end.at);
    const [, status] = /^HTTP\/1\.[01] ([1-5]\d\d)(?: [^\n]*)?\r?(?:\n|$)/.exec(head) ?? [];
    if (status === undefined) return broken(`no status line: "${head.slice(0, 40)}"`);
    this.#status = Number(status);
    const rest = this.#head.slice(end.next);
    if (this.#status < 200) {
      if (this.#status === 101) return broken('status 101, which nobody asked for');
      this.#interim += 1;
      if (this.#interim > maxInterim) return broken(`more than ${maxInterim} interim responses`);
      this.#head = ''; // the real one follows
      return rest === '' ? more : this.#readHead(Buffer.from(rest, 'latin1'));
    }
    if (!this.#wantsBody(this.#status)) return { state: 'done', status: this.#status, body: null };
    const body = bodyReaderOf(head, this.#isHead || this.#status === 204 || this.#status === 304);
    if (typeof body === 'string') return broken(body);
    this.#body = body;
    return this.#readBody(body, Buffer.from(rest, 'latin1'));
  }

  #readBody(reader: BodyReader, bytes: Buffer): HttpReading {
    const state = reader.feed(bytes);
    if (state === 'more') return more;
    if (state !== 'done') return broken(state.why);
    return { state: 'done', status: this.#status, body: reader.taken() };
  }
}

const startsLikeHttp = (head: string): boolean =>
  'HTTP/1.'.startsWith(head.slice(0, 7)) || head.startsWith('HTTP/1.');

/** Lines end in CRLF; a bare LF is understood too (RFC 9112, 2.2). */
function endOfHead(head: string, from: number): { at: number; next: number } | undefined {
  const match = /\r?\n\r?\n/g;
  match.lastIndex = from;
  const found = match.exec(head);
  return found === null || found.index > maxHead
    ? undefined
    : { at: found.index, next: found.index + found[0].length };
}

type BodyState = 'more' | 'done' | { readonly why: string };

/** Keeps the first 64 KiB and is done once it has them. */
abstract class BodyReader {
  readonly #pieces: Buffer[] = [];
  #length = 0;

  /** A body without a length of its own ends when the connection does. */
  readonly endsWithConnection: boolean = false;

  abstract feed(bytes: Buffer): BodyState;

  taken(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  /** False once no more is wanted. */
  protected keep(bytes: Buffer): boolean {
    const piece = bytes.subarray(0, maxBody - this.#length);
    // A copy: the bytes are the socket's. Gathered, so that a peer that sends them singly does not fill the heap.
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.length + piece.length <= 512) {
      this.#pieces[this.#pieces.length - 1] = Buffer.concat([last, piece]);
    } else if (piece.length > 0) {
      this.#pieces.push(Buffer.from(piece));
    }
    this.#length += piece.length;
    return this.#length < maxBody;
  }
}

class UntilClosed extends BodyReader {
  override readonly endsWithConnection = true;
  feed(bytes: Buffer): BodyState {
    return this.keep(bytes) ? 'more' : 'done';
  }
}

class OfLength extends BodyReader {
  #left: number;
  constructor(length: number) {
    super();
    this.#left = length;
  }
  feed(bytes: Buffer): BodyState {
    const piece = bytes.subarray(0, this.#left);
    this.#left -= piece.length;
    return this.keep(piece) && this.#left > 0 ? 'more' : 'done';
  }
}

class Chunked extends BodyReader {
  #line = '';
  #expects: 'size' | 'data' | 'end of data' = 'size';
  #left = 0;

  feed(bytes: Buffer): BodyState {
    let at = 0;
    while (at < bytes.length) {
      if (this.#expects === 'data') {
        const piece = bytes.subarray(at, at + this.#left);
        at += piece.length;
        this.#left -= piece.length;
        if (!this.keep(piece)) return 'done';
        if (this.#left === 0) this.#expects = 'end of data';
        continue;
      }
      const byte = bytes[at++] ?? 0;
      if (byte !== 0x0a) {
        this.#line += String.fromCharCode(byte);
        if (this.#line.length > maxLine) return { why: 'a chunk without a size' };
        continue;
      }
      const line = this.#line.replace(/\r$/, '');
      this.#line = '';
      if (this.#expects === 'end of data') {
        if (line !== '') return { why: 'a chunk longer than its size' };
        this.#expects = 'size';
        continue;
      }
      const [, digits] = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i.exec(line) ?? [];
      if (digits === undefined) return { why: 'a chunk without a size' };
      this.#left = parseInt(digits, 16);
      if (this.#left === 0) return 'done'; // the trailers are nobody's business here
      this.#expects = 'data';
    }
    return 'more';
  }
}

/** RFC 9112, 6.3; a text says why the body cannot be told. */
function bodyReaderOf(head: string, isEmpty: boolean): BodyReader | string {
  if (isEmpty) return new OfLength(0);
  const coding = /^transfer-encoding:[ \t]*(.*?)[ \t]*\r?$/im.exec(head)?.[1];
  if (coding !== undefined) {
    return /^chunked$/i.test(coding) ? new Chunked() : `transfer coding "${coding}", which was not asked for`;
  }
  const length = /^content-length:[ \t]*(.*?)[ \t]*\r?$/im.exec(head)?.[1];
  if (length === undefined) return new UntilClosed();
  return /^\d{1,15}$/.test(length) ? new OfLength(Number(length)) : `content-length "${length}"`;
}
