// SPDX-License-Identifier: Apache-2.0
/** `vsnat top`: the daemon's numbers every second, on a terminal; without one a table each time, as plain text. */
import type { ServersAnswer, StatusAnswer } from '../admin/api.js';
import { VsnatError } from '../errors.js';
import type { Io } from './io.js';
import { sleep, untilStopped } from './repeat.js';
import { Screen, type Terminal } from './screen.js';
import { linesBesideRows, sortKeys, topLines, type Moment, type SortKey, type TopState } from './top-view.js';

export interface TopOptions {
  readonly everyMs: number;
  readonly sort: SortKey;
  /** Looks without a terminal; infinite where there is one. */
  readonly times: number;
  readonly ask: <T>(path: string, signal?: AbortSignal) => Promise<T>;
  /** null: stdout or stdin is no terminal. */
  readonly terminal: Terminal | null;
  readonly bold: boolean;
  /** Each look as a line of JSON. */
  readonly json: boolean;
}

/** The title line; the heads come before it. */
const titleLine = 3;

export async function top(options: TopOptions, io: Io): Promise<void> {
  const first = await lookAt(options.ask); // a daemon that is not there is said before anything is drawn
  if (options.terminal === null) return plainTop(options, first, io);
  await screenTop(options, options.terminal, first);
}

async function lookAt(ask: TopOptions['ask'], signal?: AbortSignal): Promise<Moment> {
  const [status, { servers }] = await Promise.all([
    ask<StatusAnswer>('/v1/status', signal),
    ask<ServersAnswer>('/v1/servers', signal),
  ]);
  const { director } = status;
  return {
    atMs: performance.now(),
    version: status.version,
    upSeconds: (Date.now() - status.startedAt) / 1000,
    flows: director?.flowTable.flows ?? 0,
    capacity: director?.flowTable.capacity ?? 0,
    received: director?.packets.received ?? 0,
    dropped: director?.packets.dropped ?? {},
    servers,
  };
}

/** As high as it needs to be. */
async function plainTop(
  { everyMs, sort, times, ask, json }: TopOptions,
  first: Moment,
  io: Io,
): Promise<void> {
  const { signal, off } = untilStopped();
  try {
    let before: Moment | null = null;
    let now = first;
    for (let look = 0; look < times && !signal.aborted; look += 1) {
      if (look > 0) {
        await sleep(everyMs, signal);
        signal.throwIfAborted();
        [before, now] = [now, await lookAt(ask, signal)];
      }
      if (json) {
        io.jsonLine(now);
        continue;
      }
      const state: TopState = { now, before, sort, offset: 0, trouble: null };
      const size = { columns: Number.MAX_SAFE_INTEGER, rows: now.servers.length + linesBesideRows };
      topLines(state, size)
        .slice(0, -1)
        .forEach((line) => io.line(line));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    off();
  }
}

async function screenTop(
  { everyMs, sort, ask, bold }: TopOptions,
  terminal: Terminal,
  first: Moment,
): Promise<void> {
  let state: TopState = { now: first, before: null, sort, offset: 0, trouble: null };
  const size = () => ({ columns: terminal.output.columns || 80, rows: terminal.output.rows || 24 });
  const draw = (): void => screen.draw(topLines(state, size()), titleLine);
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const onKey = (key: string): void => {
    if (key === 'q' || key === '\u001b') return end();
    const page = Math.max(1, size().rows - linesBesideRows);
    const most = Math.max(0, (state.now?.servers.length ?? 0) - page);
    const move: Readonly<Record<string, number>> = {
      j: 1,
      '\u001b[B': 1,
      k: -1,
      '\u001b[A': -1,
      '\u001b[6~': page,
      ' ': page,
      '\u001b[5~': -page,
    };
    const step = Object.hasOwn(move, key) ? move[key] : undefined;
    if (step !== undefined) state = { ...state, offset: Math.min(most, Math.max(0, state.offset + step)) };
    else if (Object.hasOwn(sortKeys, key)) state = { ...state, sort: key as SortKey, offset: 0 };
    draw();
  };
  const screen = new Screen(terminal, { onKey, onResize: draw, onEnd: () => end() }, { bold });
  let isAsking = false;
  const leaving = new AbortController(); // a daemon that hangs does not keep whoever wants to go
  const look = async (): Promise<void> => {
    if (isAsking) return; // a slow daemon is not asked twice at once
    isAsking = true;
    try {
      const now = await lookAt(ask, leaving.signal);
      state = { ...state, before: state.now, now, trouble: null };
    } catch (error) {
      if (!(error instanceof VsnatError)) throw error;
      state = { ...state, trouble: 'no daemon answers: these are its last numbers' };
    } finally {
      isAsking = false;
    }
    draw();
  };
  let fail: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => (fail = reject));
  screen.enter();
  const timer = setInterval(() => void look().catch(fail), everyMs);
  try {
    draw();
    await Promise.race([ended, failed]);
  } finally {
    clearInterval(timer);
    leaving.abort();
    screen.leave();
  }
}
