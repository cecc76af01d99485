// SPDX-License-Identifier: Apache-2.0
/**
 * A terminal taken for a while and given back as it was, on every way out: leave(), SIGTERM and its like, an error nobody
 * caught, and around a stop (Ctrl-Z). It draws on the alternate screen, line by line over what is there and only what differs,
 * so nothing flickers.
 */
import type { ReadStream, WriteStream } from 'node:tty';

const codes = {
  enter: '\u001b[?1049h\u001b[?25l', // alternate screen, no cursor
  leave: '\u001b[?25h\u001b[?1049l',
  clear: '\u001b[2J',
  bold: '\u001b[1m',
  plain: '\u001b[22m',
} as const;

export interface Terminal {
  readonly input: Pick<ReadStream, 'setRawMode' | 'on' | 'off' | 'resume' | 'pause'>;
  readonly output: Pick<WriteStream, 'write' | 'columns' | 'rows' | 'on' | 'off'>;
}

export interface ScreenEvents {
  readonly onKey: (key: string) => void;
  readonly onResize: () => void;
  /** The terminal is given back already; nothing is left to do but to end. */
  readonly onEnd: () => void;
}

/** A letter, or what a key of several bytes sends. */
const oneKey = /\u001b(?:\[[\d;]*[A-Za-z~]|O[A-Z])|[^]/gu;

const endings = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const;

export class Screen {
  readonly #terminal: Terminal;
  readonly #events: ScreenEvents;
  readonly #bold: boolean;
  #drawn: readonly string[] = [];
  #isOpen = false;

  constructor(terminal: Terminal, events: ScreenEvents, { bold }: { readonly bold: boolean }) {
    this.#terminal = terminal;
    this.#events = events;
    this.#bold = bold;
  }

  enter(): void {
    this.#take();
    this.#terminal.input.on('data', this.#onData);
    this.#terminal.output.on('resize', this.#onResize);
    for (const name of endings) process.on(name, this.#onEnd);
    process.on('SIGTSTP', this.#stop);
    process.on('SIGCONT', this.#onContinue);
    // Runs before the process dies of it, and changes nothing about that.
    process.on('uncaughtExceptionMonitor', this.#giveBack);
    process.on('exit', this.#giveBack);
  }

  leave(): void {
    this.#giveBack();
    this.#terminal.input.off('data', this.#onData);
    this.#terminal.input.pause();
    this.#terminal.output.off('resize', this.#onResize);
    for (const name of endings) process.off(name, this.#onEnd);
    process.off('SIGTSTP', this.#stop);
    process.off('SIGCONT', this.#onContinue);
    process.off('uncaughtExceptionMonitor', this.#giveBack);
    process.off('exit', this.#giveBack);
  }

  /** Only lines that differ are written, each over the old one. `strong`: the line that stands out. */
  draw(lines: readonly string[], strong: number): void {
    if (!this.#isOpen) return;
    const text = lines.map((line, index) => {
      if (this.#drawn[index] === line) return '';
      const shown = index === strong && this.#bold ? `${codes.bold}${line}${codes.plain}` : line;
      return `\u001b[${index + 1};1H${shown}\u001b[K`;
    });
    this.#drawn = lines;
    this.#terminal.output.write(text.join(''));
  }

  /** Draws all of it with the next draw(). */
  forget(): void {
    this.#drawn = [];
    if (this.#isOpen) this.#terminal.output.write(codes.clear);
  }

  #take(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#drawn = [];
    this.#terminal.input.setRawMode(true);
    this.#terminal.input.resume();
    this.#terminal.output.write(codes.enter + codes.clear);
  }

  readonly #giveBack = (): void => {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#terminal.input.setRawMode(false);
    this.#terminal.output.write(codes.leave);
  };

  readonly #onData = (data: Buffer | string): void => {
    // A terminal that is far away, or a key held down, sends several at once.
    for (const [key] of data.toString().matchAll(oneKey)) {
      if (!this.#isOpen) return;
      // A raw terminal sends letters in the place of signals.
      if (key === '\u001a') this.#stop();
      else if (key === '\u0003') this.#onEnd();
      else this.#events.onKey(key);
    }
  };

  readonly #onResize = (): void => {
    this.forget();
    this.#events.onResize();
  };

  readonly #onEnd = (): void => {
    this.leave();
    this.#events.onEnd();
  };

  readonly #stop = (): void => {
    this.#giveBack();
    process.kill(process.pid, 'SIGSTOP');
  };

  readonly #onContinue = (): void => {
    this.#take();
    this.#events.onResize();
  };
}
