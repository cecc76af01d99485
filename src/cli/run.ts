// SPDX-License-Identifier: Apache-2.0
/**
 * `vsnat run`: the daemon under signals. SIGHUP reloads, SIGTERM and SIGINT stop and undo everything, and a second one of
 * these ends the process at once, by the signal itself. process.exit() is never called: it would run C++ destructors
 * under living packet threads.
 */
import type { EventEmitter } from 'node:events';

import { exitCodes } from '../errors.js';
import { startDaemon, type Daemon, type DaemonParts } from './daemon.js';
import type { Dataplane } from '../dataplane/dataplane.js';
import { version } from './version.js';

/** What of `process` this needs; any emitter in tests. */
export type SignalSource = Pick<EventEmitter, 'on' | 'off'>;

export interface RunOptions {
  readonly configFile: string;
  readonly socket?: string;
  readonly signals?: SignalSource;
  /** Ends the process as the signal would have without us. */
  readonly endAtOnce?: (signal: NodeJS.Signals) => void;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

const stopSignals = ['SIGTERM', 'SIGINT'] as const;

/**
 * A stop signal that comes again within this time is the same wish heard twice, not a second one: timeout(1) signals
 * its child and then the whole group, and a terminal's Ctrl-C may come beside a supervisor's SIGTERM.
 */
const echoMs = 500;

/** Resolves with the exit code once everything is undone. Rejects when the start fails. */
export async function runDaemon<D extends Dataplane>(
  options: RunOptions,
  parts: DaemonParts<D>,
): Promise<number> {
  const { endAtOnce = dieOf, now = () => performance.now() } = options;
  let stoppedAt = 0;
  const signals: SignalSource = options.signals ?? process;
  const giveUp = new AbortController();
  let end: (exitCode: number) => void = () => undefined;
  const ended = new Promise<number>((resolve) => (end = resolve));
  let daemon: Daemon | undefined;
  /** Asked for while starting: the file may have been read before it was written. */
  let isReloadWanted = false as boolean; // a signal changes it

  const listeners: readonly (readonly [event: string, listener: (value: unknown) => void])[] = [
    ...stopSignals.map((signal) => {
      const onSignal = (): void => {
        if (giveUp.signal.aborted) {
          if (now() - stoppedAt > echoMs) endAtOnce(signal);
          return;
        }
        stoppedAt = now();
        giveUp.abort();
        end(exitCodes.ok);
      };
      return [signal, onSignal] as const;
    }),
    [
      'SIGHUP',
      () => {
        if (daemon === undefined) isReloadWanted = true;
        else void daemon.reload();
      },
    ],
    ['unhandledRejection', (reason) => onBug(reason)],
    ['uncaughtException', (error) => onBug(error)],
  ];
  const onBug = (error: unknown): void => {
    daemon?.log.fatal({ err: error }, 'unexpected error: this is a bug in vsnat; stopping');
    if (daemon === undefined) process.stderr.write(`vsnat: unexpected error: ${String(error)}\n`);
    giveUp.abort();
    end(exitCodes.failed);
  };

  for (const [event, listener] of listeners) signals.on(event, listener);
  try {
    daemon = await startDaemon(
      {
        configFile: options.configFile,
        version,
        signal: giveUp.signal,
        onBroken: () => {
          giveUp.abort();
          end(exitCodes.failed);
        },
        ...(options.socket === undefined ? {} : { socket: options.socket }),
      },
      parts,
    );
    if (isReloadWanted) void daemon.reload();
    const exitCode = await ended;
    await daemon.stop();
    return exitCode;
  } catch (error) {
    if (giveUp.signal.aborted) return await ended; // asked to stop while starting: that is not a failure
    throw error;
  } finally {
    for (const [event, listener] of listeners) signals.off(event, listener);
  }
}

function dieOf(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}
