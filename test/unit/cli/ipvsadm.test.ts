// SPDX-License-Identifier: Apache-2.0
/** ipvsadm against a daemon without a machine: real director, real admin socket, fake dataplane. */
import { rmSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { startDaemon, type Daemon } from '../../../src/cli/daemon.js';
import { vsnat, type Said } from './capture.js';
import { fakeMachine, type FakeMachine } from './parts.js';

let machine: FakeMachine;
let daemon: Daemon;
beforeEach(async () => {
  machine = fakeMachine();
  machine.text = 'services: []';
  daemon = await startDaemon({ configFile: 'vsnat.yaml', version: '0.1.0' }, machine.parts);
});
afterEach(async () => {
  await daemon.stop();
  rmSync(machine.directory, { recursive: true, force: true });
});

const run = (argv: readonly string[], input = ''): Promise<Said> =>
  vsnat(argv, { VSNAT_SOCKET: machine.socket }, input);
const ipvsadm = (line: string, input = ''): Promise<Said> => run(['ipvsadm', ...line.split(' ')], input);
const fine = { code: 0, out: '', err: '' };

async function must(...lines: string[]): Promise<void> {
  for (const line of lines) expect(await ipvsadm(line), line).toEqual(fine);
}

const listing = async (options = '-Ln'): Promise<string[]> =>
  (await ipvsadm(options)).out.replace(/\n$/, '').split('\n').slice(3);

describe('ipvsadm', () => {
  it('is who made the changes it makes, as are the rules it restores', async () => {
    await must('-A -t 10.9.0.1:80 -s rr');
    await run(['restore'], '-A -t 10.9.0.2:80 -s rr\n');
    expect((await run(['changes'])).out).toMatch(/^\+ service tcp-10\.9\.0\.2-80 .* \(by ipvsadm at .*\)\n$/);
    const events = (await run(['events'])).out.split('\n').filter((line) => line.includes(' change '));
    expect(events.map((line) => line.endsWith('(by ipvsadm)'))).toEqual([true, true]);
  });

  it('builds services up from nothing, edits them and takes them down', async () => {
    await must(
      '-A -t 10.9.0.1:80 -s sh -b sh-port',
      '-a -t 10.9.0.1:80 -r 10.2.1.2:8080 -m -w 3 -x 100 -y 50',
      '-a -t 10.9.0.1:80 -r 10.2.1.1 -m',
      '-A -u [2001:db8::1]:53',
    );
    expect(await listing()).toEqual([
      'TCP  10.9.0.1:80 sh (sh-port)',
      '  -> 10.2.1.1:80                  Masq    1      0          0         ',
      '  -> 10.2.1.2:8080                Masq    3      0          0         ',
      'UDP  [2001:db8::1]:53 wlc',
    ]);
    expect((await listing('-Ln --thresholds'))[2]).toBe(
      '  -> 10.2.1.2:8080                100        50         0          0         ',
    );
    await must(
      '-E -t 10.9.0.1:80 -s rr',
      '-e -t 10.9.0.1:80 -r 10.2.1.2:8080 -m -w 0',
      '-d -t 10.9.0.1:80 -r 10.2.1.1:80',
      '-D -u [2001:db8::1]:53',
    );
    expect(await listing('-Ln --nosort')).toEqual([
      'TCP  10.9.0.1:80 rr',
      '  -> 10.2.1.2:8080                Masq    0      0          0         ',
    ]);
    await must('-C');
    expect(await listing()).toEqual([]);
    expect(machine.dataplane.published.at(-1)?.services).toEqual([]);
  });

  it.each([
    ['-A -t 10.9.0.1:80', 255, 'Service already exists'],
    ['-A -t 10.9.0.1:81 -s nosuch', 255, 'Scheduler or persistence engine not found'],
    ['-E -t 10.9.0.1:81', 255, 'No such service'],
    ['-D -t 10.9.0.1:81', 255, 'No such service'],
    ['-D -f 7', 255, 'No such service'],
    ['-Z -t 10.9.0.1:81', 255, 'No such service'],
    ['-L -t 10.9.0.1:81', 1, 'No such service'],
    ['-a -t 10.9.0.1:81 -r 10.2.1.2 -m', 255, 'Service not defined'],
    ['-e -t 10.9.0.1:81 -r 10.2.1.2 -m', 255, 'Service not defined'],
    ['-d -t 10.9.0.1:81 -r 10.2.1.2', 255, 'Service not defined'],
    ['-a -t 10.9.0.1:80 -r 10.2.1.2 -m', 255, 'Destination already exists'],
    ['-e -t 10.9.0.1:80 -r 10.2.1.3 -m', 255, 'No such destination'],
    ['-d -t 10.9.0.1:80 -r 10.2.1.3', 255, 'No such destination'],
    [
      '-a -t 10.9.0.1:80 -r 224.0.0.1 -m',
      255,
      'Invalid operation.  Possibly wrong module version, address not unicast, ...',
    ],
    ['-a -t 10.9.0.1:80 -r 10.2.1.3 -m -x 1 -y 2', 255, 'Numerical result out of range'],
    ['--stop-daemon master', 255, 'No daemon is running'],
    [
      '-a -t 10.9.0.1:80 -r 10.9.0.1 -m',
      1,
      /^vsnat: service tcp-10\.9\.0\.1-80\.servers\[1\]\.address: must not be a VIP/,
    ],
    ['-a -t 10.9.0.1:80 -r 10.2.1.3', 1, /^vsnat: vsnat forwards by masquerading only/],
    ['--start-daemon master', 1, /^vsnat: no connection synchronisation/],
  ])('%s ends with %i and changes nothing', async (line, code, message) => {
    await must('-A -t 10.9.0.1:80', '-a -t 10.9.0.1:80 -r 10.2.1.2 -m');
    const published = machine.dataplane.published.length;
    const said = await ipvsadm(line);
    expect(said).toMatchObject({ code, out: '' });
    if (typeof message === 'string') expect(said.err).toBe(`${message}\n`);
    else expect(said.err).toMatch(message);
    expect(machine.dataplane.published).toHaveLength(published);
  });

  it('keeps clients with their servers, on one port or all, and schedules datagrams one by one', async () => {
    await must(
      '-A -t 10.9.0.1:80 -p 60 -M 255.255.255.0',
      '-A -t 10.9.0.1 -s rr -p',
      '-a -t 10.9.0.1 -r 10.2.1.2 -m',
      '-A -u 10.9.0.1:53 -s rr -o',
      '-a -u 10.9.0.1:53 -r 10.2.1.2:0 -m',
      '-A -t [2001:db8::1]:80 -p 60 -M 64',
      '-A -t 10.9.0.1:81 -p 60 -M 255.255.0.255',
      '-A -t 10.9.0.1:82 -p 60 -M 0.0.0.0',
    );
    expect(await listing()).toEqual([
      'TCP  10.9.0.1:0 rr persistent 360',
      '  -> 10.2.1.2:0                   Masq    1      0          0         ',
      'TCP  10.9.0.1:80 wlc persistent 60 mask 255.255.255.0',
      'TCP  10.9.0.1:81 wlc persistent 60 mask 255.255.0.255',
      'TCP  10.9.0.1:82 wlc persistent 60 mask 0.0.0.0',
      'UDP  10.9.0.1:53 rr ops',
      '  -> 10.2.1.2:0                   Masq    1      0          0         ',
      'TCP  [2001:db8::1]:80 wlc persistent 60 mask 64',
    ]);
    expect(machine.dataplane.published.at(-1)?.services).toMatchObject([
      { persistence: { timeoutSeconds: 60, prefixLength: 24 } },
      {
        listen: [{ port: 0 }],
        persistence: { timeoutSeconds: 360, prefixLength: 32 },
        servers: [{ port: 0 }],
      },
      { onePacket: true, servers: [{ port: 0 }] },
      { persistence: { timeoutSeconds: 60, prefixLength: 64 } },
      { persistence: { timeoutSeconds: 60, prefixLength: 16, mask: '255.255.0.255' } },
      { persistence: { timeoutSeconds: 60, prefixLength: 0, mask: '0.0.0.0' } },
    ]);
    const saved = (await run(['save'])).out;
    await must('-C');
    expect(await ipvsadm('-R', saved)).toEqual(fine);
    expect((await run(['save'])).out).toBe(saved);
    await must('-E -t 10.9.0.1:80 -s rr', '-E -u 10.9.0.1:53 -s rr');
    expect((await listing()).filter((line) => !line.startsWith('  '))).toEqual([
      'TCP  10.9.0.1:0 rr persistent 360',
      'TCP  10.9.0.1:80 rr',
      'TCP  10.9.0.1:81 wlc persistent 60 mask 255.255.0.255',
      'TCP  10.9.0.1:82 wlc persistent 60 mask 0.0.0.0',
      'UDP  10.9.0.1:53 rr',
      'TCP  [2001:db8::1]:80 wlc persistent 60 mask 64',
    ]);
  });

  it('knows the marks of the configuration, and changes and restores them whole', async () => {
    const group =
      '{ name: shop, listen: [tcp://10.9.0.1:80, tcp://10.9.0.1:443], mark: 7, persistence: {}, servers: [10.2.1.2:0] }';
    machine.text = `services: [${group}]`;
    expect((await run(['reload'])).code).toBe(0);
    const shown = [
      'FWM  7 wlc persistent 360',
      '  -> 10.2.1.2:0                   Masq    1      0          0         ',
    ];
    expect(await listing()).toEqual(shown);
    expect((await ipvsadm('-Ln -f 7')).out.split('\n').slice(2, -1)).toEqual(shown);
    expect(await ipvsadm('-A -f 7')).toEqual({ code: 255, out: '', err: 'Service already exists\n' });
    expect(await ipvsadm('-D -t 10.9.0.1:80')).toEqual({ code: 255, out: '', err: 'No such service\n' });
    await must('-a -f 7 -r 10.2.1.3 -m -w 2', '-Z -f 7');
    const saved = (await run(['save'])).out;
    expect(await run(['restore'], saved)).toEqual(fine);
    expect(machine.dataplane.published.at(-1)?.services).toMatchObject([
      { mark: 7, listen: [{ port: 80 }, { port: 443 }], servers: [{}, { port: 0, weight: 2 }] },
    ]);
    await must('-D -f 7');
    expect(await listing()).toEqual([]);
    expect(await ipvsadm('-A -f 7')).toEqual({
      code: 1,
      out: '',
      err:
        'vsnat: service mark://7/ipv4: must be of a mark with a rule under marks, got none for IPv4; ' +
        'add "marks: [{ mark: 7, listen: [tcp://10.9.0.1:80] }]", with the addresses and ports that your firewall ' +
        'marks, to the configuration and reload\n',
    });
  });

  it('makes services of the marks that the configuration explains, and restores them into nothing', async () => {
    machine.text =
      'services: []\nmarks: [{ mark: 1, listen: [tcp://10.9.0.1:80, tcp://10.9.0.1:443] }, { mark: 1, listen: "tcp://[2001:db8::1]:80" }]';
    expect((await run(['reload'])).code).toBe(0);
    await must(
      '-A -f 1 -s rr -p 600',
      '-a -f 1 -r 10.2.1.2:0 -m',
      '-a -f 1 -r 10.2.1.3 -m -w 2',
      '-A -f 1 -6 -s wlc',
      '-a -f 1 -6 -r [2001:db8::2]:8080 -m',
    );
    expect(await listing()).toEqual([
      'FWM  1 rr persistent 600',
      '  -> 10.2.1.2:0                   Masq    1      0          0         ',
      '  -> 10.2.1.3:0                   Masq    2      0          0         ',
      'FWM  1 IPv6 wlc',
      '  -> [2001:db8::2]:8080           Masq    1      0          0         ',
    ]);
    expect(machine.dataplane.published.at(-1)?.services).toMatchObject([
      { mark: 1, listen: [{ port: 80 }, { port: 443 }], persistence: { timeoutSeconds: 600 } },
      { mark: 1, listen: [{ address: '2001:db8::1' }], servers: [{ port: 8080 }] },
    ]);
    const saved = (await run(['save'])).out;
    expect(saved.split('\n')[0]).toBe('-A -f 1 -s rr -p 600');
    expect(await run(['restore'], saved)).toEqual(fine);
    await must('-C');
    expect(await listing()).toEqual([]);
    expect(await run(['restore'], saved)).toMatchObject({ code: 0, err: '' });
    expect((await run(['save'])).out).toBe(saved);
    expect(await ipvsadm('-R', saved)).toMatchObject({
      code: 255,
      err: expect.stringContaining('exists') as string,
    });
    expect((await run(['save'])).out).toBe(saved);
  });

  it('lists one service alone, without the first line', async () => {
    await must('-A -t 10.9.0.1:80', '-A -t 10.9.0.2:80');
    expect((await ipvsadm('-Ln -t 10.9.0.2:80')).out).toBe(
      'Prot LocalAddress:Port Scheduler Flags\n' +
        '  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n' +
        'TCP  10.9.0.2:80 wlc\n',
    );
  });

  it('lists what ipvsadm without arguments lists', async () => {
    expect((await run(['ipvsadm'])).out).toMatch(/^IP Virtual Server version 1\.2\.1 \(size=262144\)\n/);
  });

  it('counts, and zeroes', async () => {
    await must('-A -t 10.9.0.1:80', '-a -t 10.9.0.1:80 -r 10.2.1.2:8080 -m');
    machine.dataplane.setServer(0, { connections: 3, inPackets: 123_456_789, outBytes: 7, active: 2 });
    machine.dataplane.setService(0, { connections: 3 });
    expect(await listing('-Ln --stats')).toEqual([
      'TCP  10.9.0.1:80                         3  123456K        0        0        7',
      '  -> 10.2.1.2:8080                       3  123456K        0        0        7',
    ]);
    expect((await listing('-Ln --stats --exact'))[1]).toBe(
      '  -> 10.2.1.2:8080                       3 123456789        0        0        7',
    );
    await must('-Z -t 10.9.0.1:80');
    expect(await listing('-Ln --stats')).toEqual([
      'TCP  10.9.0.1:80                         0        0        0        0        0',
      '  -> 10.2.1.2:8080                       0        0        0        0        0',
    ]);
    await must('-Z');
    expect((await listing())[1]).toBe(
      '  -> 10.2.1.2:8080                Masq    1      2          0         ',
    );
  });

  it('sets timeouts of the services there are and those to come', async () => {
    await must('-A -t 10.9.0.1:80', '--set 100 0 30', '-A -u 10.9.0.1:53');
    expect((await ipvsadm('-L --timeout')).out).toBe('Timeout (tcp tcpfin udp): 100 120 30\n');
    const timeouts = machine.dataplane.published.at(-1)?.services.map((service) => service.timeouts);
    expect(timeouts).toMatchObject([
      { tcpEstablished: 100, tcpFinWait: 120, udp: 30 },
      { tcpEstablished: 100, tcpFinWait: 120, udp: 30 },
    ]);
  });

  it('shows the connections, page by page', async () => {
    await must('-A -t 10.9.0.1:80');
    machine.dataplane.rows = Array.from({ length: 1_500 }, (_, index) => ({
      protocol: 'tcp',
      state: 'ESTABLISHED',
      expiresInSeconds: 897,
      clientAddress: '192.0.2.7',
      clientPort: 10_000 + index,
      virtualAddress: '10.9.0.1',
      virtualPort: 80,
      realAddress: '10.2.1.2',
      realPort: 8080,
      serviceSlot: 0,
      serverSlot: 0,
      queue: 0,
    }));
    const lines = (await ipvsadm('-Lnc')).out.trimEnd().split('\n');
    expect(lines).toHaveLength(1_502);
    expect(lines[2]).toBe('TCP 14:57  ESTABLISHED 192.0.2.7:10000    10.9.0.1:80        10.2.1.2:8080');
  });

  it("lists a scheduler of vsnat's own, makes services with it, and says that no kernel will have what is saved", async () => {
    machine.text =
      'services: [{ name: web, listen: tcp://10.9.0.1:80, scheduler: bounded-hash, scheduler_options: { bound: 2 }, servers: [10.2.1.2:80] }]';
    expect((await run(['reload'])).code).toBe(0);
    await must('-A -t 10.9.0.2:80 -s peak-ewma', '-a -t 10.9.0.2:80 -r 10.2.1.3:80 -m');
    expect((await listing()).filter((line) => line.startsWith('TCP'))).toEqual([
      'TCP  10.9.0.1:80 bounded-hash',
      'TCP  10.9.0.2:80 peak-ewma',
    ]);
    const saved = await run(['save']);
    expect(saved.out.split('\n')[0]).toBe('-A -t 10.9.0.1:80 -s bounded-hash');
    expect(saved.err.split('\n')[0]).toBe(
      'vsnat: note: service tcp://10.9.0.1:80: no kernel has the scheduler bounded-hash, and its options are not saved',
    );
    expect(await run(['restore'], saved.out)).toEqual({
      ...fine,
      out: '~ service web scheduler bounded-hash {"bound":2} -> bounded-hash\n',
    });
    expect(await ipvsadm('-E -t 10.9.0.1:80 -s mine')).toMatchObject({ code: 255 });
  });
});

describe('ipvsadm -R', () => {
  it('does each line as if typed, with or without the name in front', async () => {
    const rules = '-A -t 10.9.0.1:80 -s rr\n\nipvsadm -a -t 10.9.0.1:80 -r 10.2.1.2:8080 -m -w 2\n';
    expect(await ipvsadm('-R', rules)).toEqual(fine);
    expect((await ipvsadm('-Sn')).out).toBe(
      '-A -t 10.9.0.1:80 -s rr\n-a -t 10.9.0.1:80 -r 10.2.1.2:8080 -m -w 2\n',
    );
  });

  it.each([
    [
      'a refusal: goes on, the last line decides',
      '-D -t 10.9.0.9:80\n-A -t 10.9.0.1:80',
      0,
      'No such service\n',
      1,
    ],
    [
      'an unreadable line: goes on',
      '-A -t 10.9.0.9:80 -s\n-A -t 10.9.0.1:80',
      0,
      '-s: missing argument\n',
      1,
    ],
    [
      'a refusal in the last line',
      '-A -t 10.9.0.1:80\n-A -t 10.9.0.1:80',
      255,
      'Service already exists\n',
      1,
    ],
    [
      'nonsense: ends there',
      '-A -t 10.9.0.9\n-A -t 10.9.0.1:80',
      2,
      'Zero port specified for non-persistent service\n',
      0,
    ],
    ['a comment: ends there', '# web\n-A -t 10.9.0.1:80', 255, /^Try `ipvsadm -h'/, 0],
    ['a restore inside: ends there', '-R\n-A -t 10.9.0.1:80', 255, /^Try `ipvsadm -h'/, 0],
  ])('meets %s', async (_, rules, code, err, services) => {
    const said = await ipvsadm('-R', rules);
    expect(said.code).toBe(code);
    if (typeof err === 'string') expect(said.err).toBe(err);
    else expect(said.err).toMatch(err);
    expect(await listing()).toHaveLength(services);
  });
});

describe('vsnat restore', () => {
  const rules = ['-A -t 10.9.0.1:80 -s wrr', '-a -t 10.9.0.1:80 -r 10.2.1.2:8080 -m -w 2', ''].join('\n');

  it('makes the table what was saved, in one swap, and says what changed', async () => {
    await must('-A -t 10.9.0.7:80');
    const published = machine.dataplane.published.length;
    expect(await run(['restore'], rules)).toEqual({
      code: 0,
      err: '',
      out:
        '- service tcp-10.9.0.7-80\n+ service tcp-10.9.0.1-80 tcp://10.9.0.1:80 wrr\n' +
        '+ server tcp-10.9.0.1-80 10.2.1.2:8080 weight 2\n',
    });
    expect(machine.dataplane.published).toHaveLength(published + 1);
    expect((await run(['save'])).out).toBe(rules);
    expect(await run(['restore'], (await run(['save'])).out)).toEqual(fine);
    expect(machine.dataplane.published).toHaveLength(published + 1);
  });

  it.each([
    [`${rules}-A -t 10.9.0.2`, 2, 'vsnat: line 3: Zero port specified for non-persistent service\n'],
    [`${rules}-a -t 10.9.0.2:80 -r 10.2.1.2 -m`, 1, 'vsnat: service tcp://10.9.0.2:80: must exist\n'],
    [`${rules}-A -u 10.9.0.2:80 --pe sip`, 1, /^vsnat: persistence engine sip: must come with persistence/],
    [`${rules}-A -t 10.9.0.2:80 -p --pe sip`, 1, /^vsnat: service tcp-10.9.0.2-80.*engine: must be none/],
  ])('changes nothing when one line cannot be obeyed', async (text, code, err) => {
    await must('-A -t 10.9.0.7:80');
    const said = await run(['restore'], text);
    expect(said).toMatchObject({ code, out: '' });
    if (typeof err === 'string') expect(said.err).toBe(err);
    else expect(said.err).toMatch(err);
    expect(await listing()).toEqual(['TCP  10.9.0.7:80 wlc']);
  });
});
