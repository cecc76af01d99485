// SPDX-License-Identifier: Apache-2.0
/**
 * Everything a command says goes through here: results to stdout, complaints to stderr, and never a control character
 * from a name or a peer's answer, which could move the cursor or set the title of the reader's terminal.
 */
import { inertJson } from '../admin/inert-json.js';

export interface Streams {
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: { write(text: string): unknown };
  /** Absent: nothing to read. */
  readonly stdin?: AsyncIterable<unknown>;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export class Io {
  readonly #streams: Streams;
  /** Set by --no-color. */
  plain = false;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  get env(): Streams['env'] {
    return this.#streams.env;
  }

  /** Of a terminal; without one lines may be as long as they are. */
  get width(): number {
    const { isTTY, columns } = this.#streams.stdout;
    return isTTY === true && columns !== undefined && columns > 0 ? columns : Number.POSITIVE_INFINITY;
  }

  out(text: string): void {
    this.#streams.stdout.write(`${printable(text)}\n`);
  }

  /** One line, whatever stands in it: a name with a line end must not make a second one that looks like an answer. */
  line(text: string): void {
    this.#streams.stdout.write(`${oneLine(text)}\n`);
  }

  heading(text: string): void {
    const line = oneLine(text);
    this.#streams.stdout.write(`${this.isColored ? bold(line) : line}\n`);
  }

  json(value: unknown): void {
    this.#streams.stdout.write(`${inertJson(JSON.stringify(value, null, 2))}\n`);
  }

  /** For what goes on: a value is a line. */
  jsonLine(value: unknown): void {
    this.#streams.stdout.write(`${inertJson(JSON.stringify(value))}\n`);
  }

  complain(text: string): void {
    this.#streams.stderr.write(`${printable(text)}\n`);
  }

  /** All of stdin. */
  async input(): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of this.#streams.stdin ?? []) chunks.push(Buffer.from(chunk as string | Buffer));
    return Buffer.concat(chunks).toString('utf8');
  }

  get isTerminal(): boolean {
    return this.#streams.stdout.isTTY === true;
  }

  /** Whether lines can be drawn over: a dumb terminal only has what comes next. */
  get canDraw(): boolean {
    return this.isTerminal && this.env['TERM'] !== 'dumb';
  }

  get isColored(): boolean {
    const { NO_COLOR = '', TERM = '' } = this.env;
    return !this.plain && NO_COLOR === '' && TERM !== 'dumb' && this.#streams.stdout.isTTY === true;
  }
}

/** The text without control characters, direction marks and line tricks; line ends stay. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, (character) =>
    character === '\n' ? '\n' : '\ufffd',
  );
}

/** The same without line ends. */
export const oneLine = (text: string): string => printable(text).replaceAll('\n', '\ufffd');

const bold = (line: string): string => `\u001b[1m${line}\u001b[22m`;
