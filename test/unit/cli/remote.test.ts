// SPDX-License-Identifier: Apache-2.0
/** A daemon elsewhere: the commands over TLS, with a token or a certificate named on the command line. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { openAdmin, type AdminServer } from '../../../src/admin/server.js';
import { parseEndpoint } from '../../../src/model/index.js';
import { fakeActions } from '../admin/actions.js';
import { makePki, type Pki } from '../admin/pki.js';
import { vsnat, type Said } from './capture.js';

let directory: string;
let pki: Pki;
let admin: AdminServer;
const secret = 'correct-horse-battery';
const file = (name: string, text: string): string => {
  const path = join(directory, name);
  writeFileSync(path, text);
  chmodSync(path, 0o600);
  return path;
};

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'vsnat-remote-'));
  pki = makePki(directory);
  const listen = parseEndpoint('127.0.0.1:1');
  if (!listen.ok) throw new Error('no endpoint');
  admin = await openAdmin({
    socket: join(directory, 'x.sock'),
    settings: {
      mode: 0o660,
      group: null,
      listen: { ...listen.value, port: 0 },
      tokenFile: file('token', secret),
      tls: { certificate: pki.certificate, key: pki.key, clientCa: pki.ca },
    },
    identity: { pid: 1, version: '0', configFile: 'x', startedAt: 5 },
    onFailure: (error) => {
      throw error;
    },
    warn: () => undefined,
    tokenDelayMs: 20,
  });
  admin.attach(fakeActions());
});
afterAll(async () => {
  await admin.close();
  rmSync(directory, { recursive: true, force: true });
});

const ask = (words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Said> =>
  vsnat(['--socket', `https://127.0.0.1:${String(admin.port)}`, ...words, 'status'], env);
const certificate = (): string[] => ['--ca', pki.ca, '--cert', pki.clientCertificate, '--key', pki.clientKey];

it('answers to a token and a certificate named on the command line', async () => {
  const { code, out, err } = await ask(['--token-file', join(directory, 'token'), ...certificate()]);
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(/^daemon +vsnat/);
});

it('a file on the command line outvotes a token of the environment', async () => {
  const env = { VSNAT_TOKEN: 'another-token-altogether' };
  expect((await ask(certificate(), env)).code).not.toBe(0);
  expect((await ask(['--token-file', join(directory, 'token'), ...certificate()], env)).code).toBe(0);
});

it.each<[string, () => readonly string[], number, RegExp]>([
  ['no token', certificate, 4, /told a token it knows.*--token-file/],
  ['no authority', () => ['--token-file', join(directory, 'token')], 5, /--ca \(or VSNAT_CA\)/],
  [
    'a token file that is not there',
    () => ['--token-file', '/nowhere/token', ...certificate()],
    2,
    /nowhere/,
  ],
  [
    'a wrong token',
    () => ['--token-file', file('wrong', 'x'.repeat(20)), ...certificate()],
    4,
    /told a token it knows/,
  ],
])('with %s it ends with its code and a sentence', async (_, words, code, message) => {
  const said = await ask(words());
  expect([said.code, said.out]).toEqual([code, '']);
  expect(said.err).toMatch(message);
  expect(said.err).not.toMatch(/\n {4}at /);
});
