// SPDX-License-Identifier: Apache-2.0
/** What a daemon tells of its own work: events of every kind that it makes, and times that add up with the counts. */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { startDaemon, type Daemon } from '../../../src/cli/daemon.js';
import { parseAddress } from '../../../src/model/index.js';
import { ask, type Heard } from '../admin/served.js';
import { fakeMachine, type FakeMachine } from './parts.js';

let machine: FakeMachine;
let daemon: Daemon;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

beforeEach(async () => {
  machine = fakeMachine();
  const address = parseAddress('127.0.0.1');
  if (!address.ok) throw new Error('an address is none');
  const port = await freePort(); // 0 is no port a configuration may have, and changes are checked as one
  const parts = {
    ...machine.parts,
    load: async (note: (sentence: string) => void) => {
      const model = await machine.parts.load(note);
      return { ...model, metrics: { ...model.metrics, listen: { address: address.value, port } } };
    },
  };
  daemon = await startDaemon({ configFile: 'vsnat.yaml', version: '0.1.0' }, parts);
});
afterEach(async () => {
  await daemon.stop();
  rmSync(machine.directory, { recursive: true, force: true });
});

const asked = (method: string, path: string, body?: unknown): Promise<Heard> =>
  ask(machine.socket, method, path, {
    headers: { 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

const setWeight = (weight: number): Promise<Heard> =>
  asked('POST', '/v1/weight', { service: 'web', server: '10.2.1.2:8080', weight });

async function reloadMistake(mistake = 'services: 7'): Promise<void> {
  const { text } = machine;
  machine.text = mistake;
  await asked('POST', '/v1/reload');
  machine.text = text;
}

const scraped = async (): Promise<string> => {
  const response = await fetch(`http://127.0.0.1:${daemon.metricsPort ?? 0}/metrics`);
  return response.text();
};

const sum = (text: string, name: string): number =>
  text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);

const eventsOf = async (kind: string): Promise<readonly { readonly text: string }[]> => {
  const { body } = await asked('GET', `/v1/events?follow=0&after=0&kind=${kind}`);
  return (body as { events: { text: string }[] }).events;
};

const beginnings = async (kind: string): Promise<readonly (string | undefined)[]> =>
  (await eventsOf(kind)).map(({ text }) => text.split(':')[0]);

describe('what the daemon does itself', () => {
  it('is timed as often as it is counted', async () => {
    await asked('POST', '/v1/reload');
    await reloadMistake();
    await setWeight(9);
    await asked('GET', '/v1/nothing');
    const page = await scraped();
    const pairs = [
      ['vsnat_config_reload_seconds_count', 'vsnat_config_reloads_total', 2],
      ['vsnat_config_publish_seconds_count', 'vsnat_config_publishes_total', 2],
      ['vsnat_config_swap_seconds_count', 'vsnat_config_publishes_total', 2],
      ['vsnat_admin_request_seconds_count', 'vsnat_admin_requests_total', 4],
    ] as const;
    for (const [times, counts, expected] of pairs)
      expect([sum(page, times), sum(page, counts)], times).toEqual([expected, expected]);
  });

  it('knows how far it is from its file', async () => {
    const distance = async (): Promise<number> => sum(await scraped(), 'vsnat_config_run_time_changes');
    await asked('POST', '/v1/reload');
    expect(await distance()).toBe(0);
    await setWeight(9);
    expect(await distance()).toBe(1);
    await asked('POST', '/v1/reload');
    expect(await distance()).toBe(0);
  });

  it('is an event: a reload, also one that was refused, a change, and a device that fails', async () => {
    await reloadMistake();
    await setWeight(9);
    await asked('POST', '/v1/reload');
    expect(await beginnings('reload')).toEqual(['reload rejected', 'reload applied']);
    expect(await beginnings('change')).toEqual(['changed at run time']);
    machine.dataplane.broken = 'the device is gone';
    await expect.poll(() => beginnings('device')).toContain('packets can no longer be moved');
  });

  it('is kept in few words, however many mistakes a file has', async () => {
    await reloadMistake(`services: [${'7, '.repeat(20_000)}]`);
    const [event] = await eventsOf('reload');
    expect(event?.text.split('\n')).toHaveLength(4);
    expect(event?.text).toContain('and 19997 more; vsnat check lists them all');
  });
});
