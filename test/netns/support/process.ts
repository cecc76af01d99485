// SPDX-License-Identifier: Apache-2.0
/**
 * Child processes of the bench: commands that end by themselves, and servers that are ended by pid. Whatever still
 * runs when this process exits is killed then, so that a failed or interrupted test leaves nothing.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { until } from './until.js';

export interface Finished {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** For whoever is told to end; what hangs never does. */
const stopMs = 30_000;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class Background {
  readonly #child: ChildProcess;
  readonly #what: string;
  #stdout = '';
  #stderr = '';
  #code: number | null | undefined;
  readonly #ended: Promise<void>;

  constructor(argv: readonly string[], options: RunOptions = {}) {
    const [command = '', ...rest] = argv;
    this.#what = argv.join(' ');
    this.#child = spawn(command, rest, {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    });
    running.add(this.#child);
    this.#child.stdin?.end(options.input);
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.#ended = new Promise((resolve) => {
      const done = (code: number | null): void => {
        this.#code = code;
        running.delete(this.#child);
        resolve();
      };
      this.#child.once('error', (error) => {
        this.#stderr += error.message;
        done(127);
      });
      this.#child.once('close', done);
    });
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Output and errors so far, for a failure's message. */
  get output(): string {
    return this.#stdout + this.#stderr;
  }

  get alive(): boolean {
    return this.#code === undefined;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async waitForOutput(pattern: RegExp, timeoutMs = 30_000): Promise<void> {
    await until(
      `${this.#what} to say ${String(pattern)}`,
      () => {
        if (pattern.test(this.output)) return true;
        if (!this.alive) throw new Error(`${this.#what} ended early:\n${this.output}`);
        return false;
      },
      { timeoutMs },
    );
  }

  /** Resolves when the process has ended; kills it when that takes too long. */
  async finish(timeoutMs = 30_000): Promise<Finished & { readonly timedOut: boolean }> {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      this.#child.kill('SIGKILL');
    }, timeoutMs);
    await this.#ended;
    clearTimeout(timer);
    return { code: this.#code ?? null, stdout: this.#stdout, stderr: this.#stderr, timedOut };
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Finished> {
    if (this.alive) this.signal(signal);
    const finished = await this.finish(stopMs);
    if (finished.timedOut)
      throw new Error(`${this.#what} did not end within ${stopMs} ms of ${signal}:\n${this.output}`);
    return finished;
  }
}

/** Runs to the end, whatever the exit code. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const finished = await new Background(argv, options).finish(options.timeoutMs);
  if (finished.timedOut)
    throw new Error(`${argv.join(' ')}: no end in sight\n${finished.stdout}${finished.stderr}`);
  return finished;
}

/** Runs to the end and expects success; gives standard output. */
export async function must(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code !== 0) {
    const input = options.input === undefined ? '' : `\ninput:\n${options.input}`;
    throw new Error(`${argv.join(' ')}: exit code ${String(code)}\n${stdout}${stderr}${input}`);
  }
  return stdout;
}
