// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { vsnat } from '../cli/capture.js';

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'vsnat-convert-'))));
afterEach(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const oneService = 'virtual_server 10.9.0.1 80 {\n lb_algo rr\n real_server 10.2.1.2 80 {\n }\n}\n';

describe('vsnat convert', () => {
  test('writes the configuration to stdout and what was lost to stderr', async () => {
    const { code, out, err } = await vsnat([
      'convert',
      file('k.conf', `${oneService}vrrp_instance V {\n}\n`),
    ]);
    expect(code).toBe(0);
    expect(out).toContain('listen: tcp://10.9.0.1:80');
    expect(err).toMatch(/k\.conf:6: vrrp_instance V: VRRP stays with keepalived/);
    expect(err).toMatch(/vsnat: 1 service from keepalived; 1 note, 0 problems\n$/);
  });

  test('reads rules from standard input', async () => {
    const { code, out } = await vsnat(['convert', '-'], {}, '-A -t 10.9.0.1:80 -s rr\n');
    expect(code).toBe(0);
    expect(out).toContain('name: tcp-10.9.0.1-80');
  });

  test('writes a new file and never over another', async () => {
    const source = file('k.conf', oneService);
    const target = join(folder, 'vsnat.yaml');
    expect(await vsnat(['convert', source, '-o', target])).toMatchObject({ code: 0, out: '' });
    expect(readFileSync(target, 'utf8')).toContain('10.2.1.2:80');
    const again = await vsnat(['convert', source, '-o', target]);
    expect(again).toMatchObject({
      code: 2,
      err: expect.stringContaining('must be a new file, got EEXIST') as string,
    });
  });

  test('follows includes beside the file', async () => {
    file('a.inc', oneService);
    file('b.inc', 'virtual_server 10.9.0.2 80 {\n}\n');
    const { out } = await vsnat(['convert', file('k.conf', 'include *.inc\n')]);
    expect(out).toMatch(/10\.9\.0\.1:80[^]*10\.9\.0\.2:80/);
  });

  test('goes on without an include that is not there, as keepalived does, and says so', async () => {
    const { code, out, err } = await vsnat(['convert', file('k.conf', `include more.conf\n${oneService}`)]);
    expect(code).toBe(0);
    expect(out).toContain('10.2.1.2:80');
    expect(err).toMatch(/k\.conf:1: include more\.conf: no file has this name/);
  });

  test('answers in JSON for machines', async () => {
    const { out } = await vsnat(['--json', 'convert', file('k.conf', oneService)]);
    expect(JSON.parse(out)).toMatchObject({ format: 'keepalived', services: 1, unfinished: 0, problems: [] });
  });

  test.each([
    [
      'braces that do not match',
      'virtual_server 1.2.3.4 80 {\n',
      3,
      /:1: virtual_server 1\.2\.3\.4 80 must end with/,
    ],
    ['a rule ipvsadm would refuse', '-A -t 10.9.0.1:80 -x\n', 3, /rules:1: /],
    ['a server before its service', '-a -t 10.9.0.1:80 -r 10.2.1.2 -m\n', 3, /:1: the service must be added/],
    ['a group that is not there', 'virtual_server group G {\n}\n', 3, /virtual_server_group G must exist/],
  ])('%s: exit 3 and the place', async (_, text, code, message) => {
    const said = await vsnat(['convert', file('rules', text)]);
    expect(said.code).toBe(code);
    expect(said.err).toMatch(message);
    expect(said.out).toBe('');
  });

  test('says what vsnat would refuse in the result, and ends with 3', async () => {
    const twice = oneService + oneService;
    const { code, err } = await vsnat(['convert', file('k.conf', twice)]);
    expect(code).toBe(3);
    expect(err).toMatch(/in the result, vsnat\.yaml:\d+:\d+: services\[1\]\.listen: must differ/);
  });

  test('lets nothing of the original out of a comment', async () => {
    const hostile = `${oneService}notify "x\r\nservices: []"\n`;
    const { out } = await vsnat(['convert', file('k.conf', hostile)]);
    expect(out.split('\n').filter((line) => line.startsWith('services:'))).toHaveLength(1);
  });

  test('a file that is not there is exit 3', async () => {
    expect(await vsnat(['convert', join(folder, 'no.conf')])).toMatchObject({ code: 3 });
  });
});
