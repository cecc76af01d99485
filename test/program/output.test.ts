// SPDX-License-Identifier: Apache-2.0
/**
 * What comes out of the program: closed pipes, full disks, names that would move the cursor, ten thousand services, and one
 * shape of JSON.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { jsonPeer, type Peer } from './support/peers.js';
import { projectRoot, run } from './support/run.js';

const evil = 'a\u001b]0;gotcha\u0007\u009b2J\u202eb\u2028\r\nfake';
const standing = {
  place: 'serving',
  health: 'up',
  healthSeconds: 1,
  share: 1,
  effectiveWeight: 1,
  drainSeconds: null,
};
const server = (name: string): object => ({
  server: name,
  weight: 1,
  standing,
  active: 1,
  inactive: 0,
  persistent: 0,
  overloaded: false,
  connections: 3,
  inPackets: 1,
  inBytes: 1,
  outPackets: 1,
  outBytes: 1,
});
const service = (name: string, servers: readonly object[]): object => ({
  service: name,
  listen: [{ protocol: 'tcp', address: '10.9.0.1', port: 80 }],
  scheduler: 'rr',
  connections: 3,
  scheduleFailures: 0,
  quorum: 'met',
  planFailures: null,
  persistence: null,
  mark: null,
  onePacket: false,
  servers,
});
const numbers = { connections: 1, inPackets: 1, outPackets: 1, inBytes: 1, outBytes: 1 };
const event = { id: 1, at: 0, kind: 'health', service: evil, server: evil, text: evil, detail: {} };
const flow = {
  protocol: 'tcp',
  state: 'ESTABLISHED',
  service: evil,
  server: evil,
  clientAddress: '192.0.2.7',
  clientPort: 1,
  virtualAddress: evil,
  virtualPort: 80,
  realAddress: evil,
  realPort: 80,
  expiresInSeconds: 1,
};

function answersOf(
  services: readonly { readonly name: string; readonly servers: readonly string[] }[],
): object {
  const flat = services.flatMap(({ name, servers }) =>
    servers.map((one) => ({ service: name, ...server(one) })),
  );
  return {
    '/v1/status': {
      pid: 1,
      version: '0.1.0',
      state: 'ready',
      configFile: evil,
      startedAt: 0,
      director: {
        generation: 1,
        adopted: true,
        services: 1,
        servers: 1,
        device: { name: evil, queues: 1, steering: evil, uring: false, uringRefusal: evil },
        ingress: null,
        egress: null,
        flowTable: { flows: 1, capacity: 2, expired: 0, evicted: 0 },
        packets: { received: 1, forwarded: 1, passed: 0, generated: 0, dropped: { [evil]: 1 } },
        reloads: {
          counts: { rejected: 0, failed: 0, applied: 0, unchanged: 0 },
          lastError: evil,
          lastSuccessAt: 0,
        },
        metricsListen: evil,
      },
    },
    '/v1/services': {
      services: services.map(({ name, servers }) => service(name, servers.map(server))),
      next: null,
    },
    '/v1/servers': { servers: flat, next: null },
    '/v1/stats': {
      services: services.map(({ name, servers }) => ({
        service: name,
        totals: numbers,
        rates: numbers,
        servers: servers.map((one) => ({ server: one, totals: numbers, rates: numbers })),
      })),
    },
    '/v1/flows': { rows: [flow], next: null },
    '/v1/events': { events: [event], missed: 0 },
    '/v1/changes': {
      changes: [{ kind: 'added', what: 'service', name: evil, detail: evil, at: 0, by: evil }],
      revision: 1,
    },
    '/v1/explain': {
      packet: evil,
      steps: [evil],
      verdict: 'forwarded',
      server: evil,
      basis: evil,
      certain: true,
      reason: null,
      service: evil,
      counts: [evil],
    },
  };
}

let folder: string;
let hostile: Peer;
let large: Peer;
const many = Array.from({ length: 10_000 }, (_, index) => ({
  name: `service-${index}`,
  servers: [`10.${index >> 8}.${index & 255}.2:8080`],
}));
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'vsnat-output-'));
  hostile = await jsonPeer(folder, 'hostile.sock', { ...answersOf([{ name: evil, servers: [evil] }]) });
  large = await jsonPeer(folder, 'large.sock', { ...answersOf(many) });
});
afterAll(() => {
  hostile.close();
  large.close();
  rmSync(folder, { recursive: true, force: true });
});

const answering: readonly (readonly string[])[] = [
  ['status'],
  ['services'],
  ['servers'],
  ['flows'],
  ['stats'],
  ['top', '--times', '1'],
  ['events'],
  ['changes'],
  ['explain', 'tcp', '192.0.2.7:1', '10.9.0.1:80'],
];

describe('names that would move the cursor', () => {
  it.each(answering.map((words) => [words]))('%j shows them as what they are', async (words) => {
    const text = await run([...words, '--socket', hostile.socket]);
    expect(text.err).toBe('');
    expect(text.out).toContain('gotcha');
    expect(text.out).not.toMatch(/[^\P{Cc}\n]|[\p{Bidi_Control}\u2028]/u);
    expect(text.out, 'a name begins no line').not.toMatch(/^fake/m);
    const json = await run([...words, '--json', '--socket', hostile.socket]);
    expect(json.out).not.toMatch(/[^\P{Cc}\n]|[\p{Bidi_Control}\u2028]/u);
    expect(JSON.stringify(JSON.parse(json.out))).toContain(JSON.stringify(evil).slice(1, -1));
  });

  it('complaints do not either', async () => {
    const peer = await jsonPeer(folder, `x\u001b[2J.sock`, {});
    const said = await run(['status', '--socket', peer.socket]);
    peer.close();
    expect(said.err).not.toMatch(/[^\P{Cc}\n]/u);
    expect((await run(['\u001b[2J\u009b'])).err).not.toMatch(/[^\P{Cc}\n]/u);
  });
});

/** The output of a shell's pipeline, whose first program is vsnat. */
async function shell(
  line: string,
  socket: string,
): Promise<{ readonly codes: string; readonly out: string; readonly err: string }> {
  const script = `set -o pipefail; vsnat() { ${process.execPath} ${join(projectRoot, 'bin/vsnat')} --socket ${socket} "$@"; }; ${line}; echo "codes: \${PIPESTATUS[*]}"`;
  const child = spawn('bash', ['--norc', '-c', script], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  child.stderr.on('data', (text: Buffer) => (err += text.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  return { codes: /codes: ([\d ]+)\n$/.exec(out)?.[1] ?? '', out, err };
}

describe('a reader that leaves early has what it wanted', () => {
  it.each([
    ['servers | head -1', '0 0'],
    ['services --json | head -1', '0 0'],
    ['stats --watch 50ms | head -1', '0 0'],
    ['top --interval 100ms | head -1', '0 0'],
    ['top --json --interval 100ms | head -c 10', '0 0'],
    ['nonsense 2>&1 | true', '2 0'],
  ])('%s', async (line, codes) => {
    const said = await shell(`vsnat ${line}`, large.socket);
    expect([said.codes, said.err]).toEqual([codes, '']);
  });

  it('a disk that is full is said, and is a failure', async () => {
    const said = await shell('vsnat servers > /dev/full', large.socket);
    expect(said).toMatchObject({
      codes: '1',
      err: 'vsnat: standard output: must take the answer, got ENOSPC\n',
    });
  });
});

it.each(answering.map((words) => [words]))('%j answers for ten thousand services', async (words) => {
  const { code, out, err } = await run([...words, '--socket', large.socket]);
  expect([code, err]).toEqual([0, '']);
  if (['services', 'servers', 'stats', 'top'].includes(words[0] ?? '')) expect(out).toContain('service-9999');
});

describe('JSON', () => {
  it.each(answering.map((words) => [words]))('%j is one object, as the API gives it', async (words) => {
    const { out } = await run([...words, '--json', '--socket', hostile.socket]);
    const answer = JSON.parse(out) as object;
    expect(Array.isArray(answer)).toBe(false);
    const asked = (answersOf([{ name: evil, servers: [evil] }]) as Readonly<Record<string, object>>)[
      `/v1/${words[0]}`
    ];
    if (words[0] === 'flows') expect(answer).toEqual({ rows: [flow], complete: true });
    else if (words[0] !== 'top') expect(answer).toEqual(asked);
  });
});
