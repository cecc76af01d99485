// SPDX-License-Identifier: Apache-2.0
/**
 * What checks find moves what clients get: weights said by a check, servers taken out and brought back over seconds, backups,
 * quorum and sorry server. The check is a program that reads a file of its server, so a test says how each server is.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { at, vip } from './support/lab.js';
import { ports } from './support/load.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

const folder = mkdtempSync(join(tmpdir(), 'vsnat-standing-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What a check said of the weight holds until it says something else. */
const well = 'weight=100%\n';

const health = {
  type: 'exec',
  command: ['/bin/sh', '-c', `cat ${folder}/$VSNAT_ADDRESS`],
  interval: '2s',
  fast_interval: '100ms',
  timeout: '2s', // with `fall: 1` a busy machine must not fail a single one
  rise: 1,
  fall: 1,
};

suite('what checks find', () => {
  const lab = useLab({ servers: 4 });
  const addressOf = (index: number): string => at(lab().server(index).ipv4, ports.http);
  /** `weight=40%`, or whatever; null: it is dead. */
  const say = (index: number, words: string | null): void => {
    const file = join(folder, lab().server(index).ipv4);
    if (words === null) rmSync(file, { force: true });
    else writeFileSync(file, words);
  };
  const configure = (service: Readonly<Record<string, unknown>>): Promise<unknown> =>
    lab().daemon.reload({
      ...lab().config,
      services: [
        {
          name: 'web',
          listen: `tcp://${at(vip.v4, vip.http)}`,
          scheduler: 'wrr',
          health,
          ...service,
        } as never,
      ],
    });
  const get = async (requests: number): Promise<Readonly<Record<string, number>>> => {
    const result = await lab().load('http', {
      to: at(vip.v4, vip.http),
      mode: 'connect',
      requests,
      seconds: 60,
    });
    expect(result).toMatchObject({ answered: requests, failed: 0 });
    return result.byServer;
  };
  /** As `vsnat servers` shows it. */
  const weightOf = async (index: number): Promise<number> =>
    (await lab().daemon.metrics()).sum('vsnat_server_effective_weight', {
      service: 'web',
      server: addressOf(index),
    });
  const weights = async (...expected: readonly number[]): Promise<unknown> =>
    until(`the weights ${expected.join(' ')}`, async () => {
      const found = await Promise.all(expected.map((_, index) => weightOf(index)));
      return found.join() === expected.join();
    });

  test('moves the share of new connections as a check says', async () => {
    for (const index of [0, 1]) say(index, well);
    await configure({ servers: [0, 1].map((index) => ({ address: addressOf(index), weight: 4 })) });
    await weights(4, 4);
    expect(await get(80)).toEqual({ rs1: 40, rs2: 40 });
    say(1, 'weight=25%\n');
    await weights(4, 1);
    expect(await get(100)).toEqual({ rs1: 80, rs2: 20 });
    say(1, null);
    await weights(4, 0);
    expect(await get(20)).toEqual({ rs1: 20 });
  });

  test('brings a server back over seconds', async () => {
    for (const index of [0, 1]) say(index, well);
    await configure({
      servers: [0, 1].map((index) => ({ address: addressOf(index), weight: 100 })),
      slow_start: { duration: '5s', from: '10%' },
    });
    await weights(100, 100);
    say(1, null);
    await weights(100, 0);
    say(1, well);
    const seen = new Set<number>();
    await until('all of its weight', async () => seen.add(await weightOf(1)).has(100));
    const steps = [...seen].filter((weight) => weight > 0);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect(steps.length).toBeGreaterThan(3);
    expect(steps[0]).toBeLessThan(60); // ten at first; a busy machine looks late
  });

  test('has a backup serve while nobody else can, then the sorry server, and all of it back', async () => {
    for (const index of [0, 1, 2]) say(index, well);
    await configure({
      servers: [addressOf(0), addressOf(1), { address: addressOf(2), backup: true }],
      sorry_server: addressOf(3),
    });
    await weights(1, 1, 0);
    expect(await get(20)).toEqual({ rs1: 10, rs2: 10 });
    say(0, null);
    say(1, null);
    await weights(0, 0, 1);
    expect(await get(10)).toEqual({ rs3: 10 });
    say(2, null);
    await weights(0, 0, 0, 1);
    expect(await get(10)).toEqual({ rs4: 10 });
    say(1, well);
    await weights(0, 1, 0, 0);
    expect(await get(10)).toEqual({ rs2: 10 });
  });

  test('has the sorry server in the place of all others when the quorum is lost', async () => {
    for (const index of [0, 1, 2]) say(index, well);
    await configure({
      servers: [0, 1, 2].map(addressOf),
      quorum: { weight: 2, hysteresis: 1 },
      sorry_server: addressOf(3),
    });
    await weights(1, 1, 1);
    say(0, null);
    await weights(0, 1, 1, 0);
    expect(Object.keys(await get(20)).sort()).toEqual(['rs2', 'rs3']);
    say(1, null);
    await weights(0, 0, 1, 0); // one of them is enough as long as it is not lost: 2 - 1
    say(2, null);
    await weights(0, 0, 0, 1);
    expect(await get(10)).toEqual({ rs4: 10 });
    for (const index of [0, 1]) say(index, well);
    await until('both to be well, and not called for: 2 + 1', async () => {
      const metrics = await lab().daemon.metrics();
      return [0, 1].every((index) => metrics.sum('vsnat_server_up', { server: addressOf(index) }) === 1);
    });
    await weights(0, 0, 0, 1);
    say(2, well);
    await weights(1, 1, 1, 0);
    expect(Object.keys(await get(21)).sort()).toEqual(['rs1', 'rs2', 'rs3']);
  });
});
