// SPDX-License-Identifier: Apache-2.0
/**
 * Where the log's lines go: to stderr at once, so that the last line before an end is there, but never at the price of the
 * daemon. A pipe that nobody reads would stop health checks, the admin API and SIGTERM for as long as it is full, and a full
 * disk is no reason to end. What stderr does not take waits, within bounds; beyond them lines are lost, and counted.
 */
import { constants, openSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';

/** Some two thousand lines. */
const mostWaiting = 256 * 1024;

const retryMs = 100;

export interface SinkParts {
  /** Takes the beginning of the bytes and says how many; throws with a `code`, EAGAIN when it takes none just now. */
  readonly write: (bytes: Uint8Array) => number;
  /** Once, after so long. */
  readonly later: (work: () => void, ms: number) => void;
}

export class LogSink {
  readonly #parts: SinkParts;
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #isAwaited = false;
  #lost = 0;
  /** Told how many lines were lost when stderr takes lines again. */
  onRecovered: (lost: number) => void = () => undefined;

  constructor(parts: SinkParts = standardError()) {
    this.#parts = parts;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    // One line alone may be longer: what a reload of all servers has changed is megabytes.
    if (this.#waiting.length > 0 && this.#waitingBytes + bytes.length > mostWaiting) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (!this.#isAwaited) this.flush();
  }

  /** As much as stderr takes. */
  flush(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const written = this.#attempt(next);
      if (written === undefined) return;
      this.#waitingBytes -= written;
      if (written < next.length) this.#waiting[0] = next.subarray(written);
      else this.#waiting.shift();
    }
    if (this.#lost === 0) return;
    const lost = this.#lost;
    this.#lost = 0;
    this.onRecovered(lost);
  }

  /** undefined: not now, or never. */
  #attempt(bytes: Buffer): number | undefined {
    try {
      return this.#parts.write(bytes);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') this.#await();
      else {
        // No space, or nobody there. The next line may find it otherwise.
        this.#lost += this.#waiting.length;
        this.#waiting.length = 0;
        this.#waitingBytes = 0;
      }
      return undefined;
    }
  }

  #await(): void {
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    this.#parts.later(() => {
      this.#isAwaited = false;
      this.flush();
    }, retryMs);
  }
}

function standardError(): SinkParts {
  const descriptor = unblocked();
  return {
    write: (bytes) => writeSync(descriptor, bytes),
    later: (work, ms) => void setTimeout(work, ms).unref(),
  };
}

/** A descriptor of stderr that answers EAGAIN instead of waiting. */
function unblocked(): number {
  const { fd } = process.stderr; // looked at, Node has made a pipe or a socket such; a terminal is everybody's
  if (!isatty(fd)) return fd;
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return fd; // somebody else's terminal, as under su
  }
}
