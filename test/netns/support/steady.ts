// SPDX-License-Identifier: Apache-2.0
/** One connection that says as much as a test wants, when the test wants it; every byte is compared with its echo. */
import path from 'node:path';
import type { Namespace } from './namespace.js';
import type { Background } from './process.js';
import { projectRoot } from './project-root.js';
import { until } from './until.js';

const script = path.join(projectRoot, 'test/netns/support/steady.py');

export interface SteadyOptions {
  readonly protocol?: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
  /** Messages at a time, and their size. */
  readonly times?: number;
  readonly size?: number;
  readonly withoutChecksum?: boolean;
}

export class Steady {
  /** Resolves when the first messages have been said and echoed. */
  static async start(from: Namespace, options: SteadyOptions): Promise<Steady> {
    const { protocol = 'tcp', address, port, times = 100, size = 64, withoutChecksum = false } = options;
    const argv = ['python3', script, protocol, address, port, times, size].map(String);
    const steady = new Steady(from.spawn(withoutChecksum ? [...argv, 'no-checksum'] : argv), times * size);
    await steady.#toHaveSaid(1);
    return steady;
  }

  readonly #process: Background;

  private constructor(
    process: Background,
    /** Bytes each way at a time. */
    readonly bytesAtATime: number,
  ) {
    this.#process = process;
  }

  /** The client's. */
  get port(): number {
    return Number(/^port (\d+)$/m.exec(this.#process.output)?.[1]);
  }

  /** The same once more, on the same connection. */
  async again(): Promise<void> {
    const said = this.#times;
    this.#process.signal('SIGUSR1');
    await this.#toHaveSaid(said + 1);
  }

  /** As often as there is time for before `enough` says so. */
  async goOn(enough: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await enough())) await this.again();
  }

  /** Says something, of which nobody knows what becomes. */
  say(): void {
    this.#process.signal('SIGUSR1');
  }

  /** Closes it, like any client. */
  async close(): Promise<void> {
    this.#process.signal('SIGUSR2');
    await this.#process.finish();
  }

  /** What ended it, once something has. */
  async endedBy(): Promise<string> {
    await this.#process.waitForOutput(/^ended: \w/m);
    await this.#process.finish();
    return /^ended: (.*)$/m.exec(this.#process.output)?.[1] ?? '';
  }

  get #times(): number {
    return this.#process.output.match(/^said$/gm)?.length ?? 0;
  }

  async #toHaveSaid(times: number): Promise<void> {
    await until('the echoes', () => {
      if (!this.#process.alive) throw new Error(`it ended:\n${this.#process.output}`);
      return this.#times >= times;
    });
  }
}
