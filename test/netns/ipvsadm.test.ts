// SPDX-License-Identifier: Apache-2.0
/** A director that starts with nothing and is run by bin/ipvsadm alone. */
import path from 'node:path';

import { expect, test } from 'vitest';

import { at, vip } from './support/lab.js';
import { ports } from './support/load.js';
import type { Finished } from './support/process.js';
import { projectRoot } from './support/project-root.js';
import { suite, useLab } from './support/suite.js';

// Every command is a process, and a machine may be busy with other things.

suite('ipvsadm', () => {
  const lab = useLab({ config: { services: [] } });
  const run = (words: readonly string[], input?: string): Promise<Finished> => {
    const { namespace, socket } = lab().daemon.installation;
    const argv = [process.execPath, path.join(projectRoot, 'bin/ipvsadm'), ...words];
    return namespace.run(argv, { env: { VSNAT_SOCKET: socket }, ...(input === undefined ? {} : { input }) });
  };
  const ipvsadm = (line: string): Promise<Finished> => run(line.split(' '));
  const must = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await ipvsadm(line);
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: '' });
    return stdout;
  };
  const web = (family: 'v4' | 'v6'): string => `-t ${at(vip[family], vip.http)}`;
  const server = (index: number, family: 'ipv4' | 'ipv6' = 'ipv4'): string =>
    `-r ${at(lab().server(index)[family], ports.http)}`;
  const get = (requests: number, family: 'v4' | 'v6' = 'v4') =>
    lab().load('http', { to: at(vip[family], vip.http), mode: 'connect', requests });

  test('builds services up on which packets flow as soon as the first server is there', async () => {
    expect((await must('-Ln')).split('\n').slice(1)).toEqual([
      'Prot LocalAddress:Port Scheduler Flags',
      '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn',
      '',
    ]);
    await must(`-A ${web('v4')} -s wrr`);
    await must(`-a ${web('v4')} ${server(0)} -m`);
    expect((await get(5)).byServer).toEqual({ rs1: 5 });
    await must(`-a ${web('v4')} ${server(1)} -m -w 3`);
    await must(`-A ${web('v6')} -s rr`);
    await must(`-a ${web('v6')} ${server(2, 'ipv6')} -m`);
    expect((await get(40)).byServer).toEqual({ rs1: 10, rs2: 30 });
    expect((await get(5, 'v6')).byServer).toEqual({ rs3: 5 });
  });

  test('shows what came, exactly as often as it came, and zeroes it', async () => {
    await must('-Z');
    await get(20);
    const [, , , service = '', first = '', second = ''] = (await must('-Ln --stats --exact')).split('\n');
    const connections = (line: string): number => Number(line.slice(33).trim().split(/\s+/)[0]);
    expect(service).toMatch(/^TCP {2}10\.9\.0\.1:80 /);
    expect([service, first, second].map(connections)).toEqual([20, 5, 15]);
    const listed = (await must('-Lnc')).split('\n').filter((line) => line.includes(' 10.9.0.1:80 '));
    expect(listed.length).toBeGreaterThanOrEqual(20);
    expect(listed.every((line) => /^TCP \d\d:\d\d {2}[A-Z_]+ +10\.1\.1\.2:\d+/.test(line))).toBe(true);
    await must(`-Z ${web('v4')}`);
    expect((await must(`-Ln ${web('v4')} --stats`)).split('\n').slice(2, -1).map(connections)).toEqual([
      0, 0, 0,
    ]);
  });

  test('edits weights, and a drained server gets nothing new', async () => {
    await must(`-e ${web('v4')} ${server(0)} -m -w 0`);
    expect((await get(10)).byServer).toEqual({ rs2: 10 });
    await must(`-d ${web('v4')} ${server(1)}`);
    expect((await get(1)).answered).toBe(0);
    await must(`-e ${web('v4')} ${server(0)} -m -w 1`);
    expect((await get(3)).byServer).toEqual({ rs1: 3 });
  });

  test('saves, clears and restores', async () => {
    const rules = await must('-Sn');
    expect(rules.split('\n')).toHaveLength(5);
    await must('-C');
    expect(await must('-Sn')).toBe('');
    expect((await get(1)).answered).toBe(0);
    expect(await run(['-R'], rules)).toMatchObject({ code: 0, stderr: '' });
    expect(await must('-Sn')).toBe(rules);
    expect((await get(3)).byServer).toEqual({ rs1: 3 });
    const { namespace, socket } = lab().daemon.installation;
    const restore = [process.execPath, path.join(projectRoot, 'bin/vsnat'), 'restore'];
    expect(await namespace.run(restore, { env: { VSNAT_SOCKET: socket }, input: rules })).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
      timedOut: false,
    });
  });

  test('keeps a client with its server, and shows the template', async () => {
    await must(`-a ${web('v4')} ${server(1)} -m`);
    await must(`-E ${web('v4')} -s rr -p 300`);
    const { byServer } = await get(10);
    expect(Object.values(byServer)).toEqual([10]);
    expect(await must(`-Ln ${web('v4')}`)).toContain('TCP  10.9.0.1:80 rr persistent 300\n');
    const templates = (await must('-Lnc')).split('\n').filter((line) => line.includes(' 10.1.1.2:0 '));
    expect(templates).toHaveLength(1);
    expect(templates[0]).toMatch(
      /^TCP 0[45]:\d\d {2}(NONE|ASSURED) +10\.1\.1\.2:0 +10\.9\.0\.1:80 +10\.2\.\d\.2:8080$/,
    );
    const counts = (await must(`-Ln ${web('v4')} --persistent-conn`)).split('\n').slice(3, -1);
    expect(counts.map((line) => Number(line.slice(43, 53))).sort()).toEqual([0, 1]);
    await must(`-E ${web('v4')} -s rr`);
    expect(Object.values((await get(10)).byServer)).toEqual([5, 5]);
  });

  test('deletes; what is not there is said in the words that scripts look for', async () => {
    await must(`-D ${web('v6')}`);
    expect(await ipvsadm(`-D ${web('v6')}`)).toMatchObject({ code: 255, stderr: 'No such service\n' });
    expect(await ipvsadm(`-A ${web('v4')}`)).toMatchObject({ code: 255, stderr: 'Service already exists\n' });
    await must('-C');
    expect((await must('-Ln')).split('\n')).toHaveLength(4);
  });
});
