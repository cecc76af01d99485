// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from 'node:events';
import { rmSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { runDaemon } from '../../../src/cli/run.js';
import { fakeMachine, webConfig, type FakeMachine } from './parts.js';

let machine: FakeMachine;
let signals: EventEmitter;
let ended: string[];
let clock: number;
beforeEach(() => {
  clock = 1000;
  machine = fakeMachine();
  signals = new EventEmitter();
  ended = [];
});
afterEach(() => rmSync(machine.directory, { recursive: true, force: true }));

const run = (): Promise<number> =>
  runDaemon(
    { configFile: 'vsnat.yaml', signals, endAtOnce: (signal) => ended.push(signal), now: () => clock },
    machine.parts,
  );

const until = (event: string): Promise<void> =>
  vi.waitFor(() => expect(machine.events).toContain(event), { interval: 1 });

describe('vsnat run', () => {
  it.each(['SIGTERM', 'SIGINT'])(
    'ends with 0 on %s, with everything undone and no listener left',
    async (signal) => {
      const result = run();
      await until('tell ready');
      signals.emit(signal, signal);
      expect(await result).toBe(0);
      expect(machine.events.slice(-2)).toEqual(['close host', 'close dataplane']);
      expect(signals.eventNames()).toEqual([]);
      expect(ended).toEqual([]);
    },
  );

  it('reloads on SIGHUP', async () => {
    const result = run();
    await until('tell ready');
    machine.text = webConfig(2);
    signals.emit('SIGHUP', 'SIGHUP');
    await until('update host');
    expect(machine.dataplane.published).toHaveLength(2);
    signals.emit('SIGTERM', 'SIGTERM');
    await result;
  });

  it('obeys a SIGHUP that came while it started, when it has', async () => {
    const result = run();
    signals.emit('SIGHUP', 'SIGHUP');
    await vi.waitFor(() => expect(machine.events.filter((event) => event === 'load')).toHaveLength(2));
    expect(machine.events).toContain('tell ready');
    signals.emit('SIGTERM', 'SIGTERM');
    expect(await result).toBe(0);
  });

  it('asked to stop while it starts, stops, and calls that no failure', async () => {
    const result = run();
    signals.emit('SIGTERM', 'SIGTERM');
    expect(await result).toBe(0);
    expect(machine.events).not.toContain('tell ready');
  });

  it('ends at once on a second signal', async () => {
    const result = run();
    await until('tell ready');
    signals.emit('SIGTERM', 'SIGTERM');
    clock += 501;
    signals.emit('SIGINT', 'SIGINT');
    expect(ended).toEqual(['SIGINT']);
    await result;
  });

  it('takes a signal that echoes within half a second for the same wish, and undoes everything', async () => {
    const result = run();
    await until('tell ready');
    signals.emit('SIGTERM', 'SIGTERM');
    clock += 500;
    signals.emit('SIGTERM', 'SIGTERM');
    expect(ended).toEqual([]);
    expect(await result).toBe(0);
    expect(machine.events.slice(-2)).toEqual(['close host', 'close dataplane']);
  });

  it.each(['unhandledRejection', 'uncaughtException'])(
    'treats an %s as a bug: says so, stops orderly, ends with 1',
    async (event) => {
      const result = run();
      await until('tell ready');
      signals.emit(event, new Error('nobody expected this'));
      expect(await result).toBe(1);
      expect(machine.log.join('')).toContain('nobody expected this');
      expect(machine.dataplane.closed).toBe(true);
    },
  );

  it('ends with 1 when the device is deleted under it, so that a service manager starts it anew', async () => {
    const result = run();
    await until('tell ready');
    machine.dataplane.broken = 'the TUN device was deleted';
    expect(await result).toBe(1);
    expect(machine.log.join('')).toContain('the TUN device was deleted');
    expect(machine.events.slice(-2)).toEqual(['close host', 'close dataplane']);
  });

  it('passes a failed start on, with no listener left', async () => {
    rmSync(machine.directory, { recursive: true, force: true });
    machine = fakeMachine({ preflight: new Error('no tun here') });
    await expect(run()).rejects.toThrow('no tun here');
    expect(signals.eventNames()).toEqual([]);
  });
});
