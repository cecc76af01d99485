// SPDX-License-Identifier: Apache-2.0
/** Health checks and what follows from them: short forms, defaults, and each mistake with the line a user reads. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { ConfigError, parseConfig, problemsOf } from '../../../src/config/index.js';
import {
  virtualService,
  type HealthCheck,
  type Question,
  type VirtualService,
} from '../../../src/model/index.js';

const folder = mkdtempSync(join(tmpdir(), 'vsnat-health-'));
afterAll(() => rmSync(folder, { recursive: true }));

const usual = 'servers: [10.2.1.2:80]';

const service = (keys: string, rest = usual): string =>
  `services:\n  - name: web\n    listen: tcp://10.9.0.1:80\n    ${rest}\n    ${keys}\n`;

const parsed = (text: string): VirtualService => {
  const [first] = parseConfig(text, { file: join(folder, 'vsnat.yaml') }).model.services;
  if (first === undefined) throw new Error('no service');
  return first;
};

const check = (text: string): HealthCheck => {
  const [first] = parsed(service(`health: ${text}`)).health;
  if (first === undefined) throw new Error('no check');
  return first;
};

const question = (text: string): Question => check(text).question;

/** Without the place, which the tests of bad input look at. */
function complaints(text: string): readonly string[] {
  try {
    parseConfig(text, { file: join(folder, 'vsnat.yaml') });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
}

describe('a check', () => {
  it('has the defaults that the documentation promises', () => {
    expect(check('{ type: tcp }')).toEqual({
      question: { kind: 'tcp' },
      timing: { intervalMs: 2000, fastIntervalMs: 500, timeoutMs: 1000, rise: 2, fall: 3, jitter: 0.1 },
      port: null,
      source: null,
      through: 'direct',
      passive: true,
    });
  });

  it('is never slower than its interval, and no faster than a server bears', () => {
    const { timing } = check('{ type: tcp, interval: 200ms }');
    expect([timing.fastIntervalMs, timing.timeoutMs]).toEqual([100, 200]);
  });

  it.each([
    ['200', [{ from: 200, to: 200 }]],
    ['200-399', [{ from: 200, to: 399 }]],
    [
      '"200 - 299,404"',
      [
        { from: 200, to: 299 },
        { from: 404, to: 404 },
      ],
    ],
    [
      '[200, 301-302]',
      [
        { from: 200, to: 200 },
        { from: 301, to: 302 },
      ],
    ],
  ])('takes the status codes %s', (text, ranges) => {
    expect(question(`{ type: http, expect: ${text} }`)).toMatchObject({ expect: ranges });
  });

  it.each([
    ['ping', [112, 105, 110, 103]],
    ['"hex:00 ff:0A"', [0, 255, 10]],
    ['"base64:AP8="', [0, 255]],
    ['""', []],
  ])('takes the payload %s', (text, bytes) => {
    expect(question(`{ type: udp, send: ${text} }`)).toMatchObject({ send: Uint8Array.from(bytes) });
  });

  it('finds a module beside its file', () => {
    writeFileSync(join(folder, 'check.js'), '');
    expect(question('{ type: module, file: ./check.js }')).toEqual({
      kind: 'module',
      file: join(folder, 'check.js'),
      options: {},
    });
  });

  it('takes a key as a file or as text, and holds its text', () => {
    const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    writeFileSync(join(folder, 'check.key'), pem);
    expect(complaints(service('health: { type: https, tls: { key: check.key } }'))).toEqual([
      'services[0].health.tls.key: must come with both certificate and key, got "check.key"; give both or none',
    ]);
  });

  it('of the whole file is for every service without its own', () => {
    const text =
      'health: { type: icmp }\nservices:\n' +
      ['', ', health: off', ', health: { type: tcp }']
        .map(
          (own, index) => `  - { name: s${index}, listen: tcp://10.9.0.1:${index + 1}, servers: []${own} }\n`,
        )
        .join('');
    expect(
      parseConfig(text).model.services.map(({ health }) => health.map((it) => it.question.kind)),
    ).toEqual([['icmp'], [], ['tcp']]);
  });
});

describe('short forms', () => {
  it.each([
    ['slow_start: 30s', { slowStart: { seconds: 30, from: 0.1, curve: 1 } }],
    [
      'slow_start: { duration: 60, from: 25%, curve: 0.5 }',
      { slowStart: { seconds: 60, from: 0.25, curve: 0.5 } },
    ],
    ['drain: { deadline: 1m }', { drain: { deadlineSeconds: 60, then: 'reset' } }],
    ['drain: { then: silence }', { drain: { deadlineSeconds: null, then: 'silence' } }],
    ['{ quorum: 2, sorry_server: 10.2.9.9:80 }', { quorum: { weight: 2, hysteresis: 0 } }],
  ])('%s', (keys, expected) => {
    expect(parsed(service(keys.replace(/^\{ (.*), (s.*) \}$/, '$1\n    $2')))).toMatchObject(expected);
  });

  it('a sorry server is one, or several', () => {
    const sorry = (text: string): readonly string[] =>
      parsed(service(`sorry_server: ${text}`)).sorryServers.map(
        ({ address, weight }) => `${address} ${weight}`,
      );
    expect(sorry('10.2.9.9:80')).toEqual(['10.2.9.9 1']);
    expect(sorry('{ address: 10.2.9.9:80, weight: 4 }')).toEqual(['10.2.9.9 4']);
    expect(sorry('[10.2.9.9:80, { address: 10.2.9.8:80, weight: 4 }]')).toEqual(['10.2.9.9 1', '10.2.9.8 4']);
  });
});

describe('mistakes', () => {
  const h = 'services[0].health';
  it.each([
    ['{}', `${h}.type: must be given, got nothing; write "type: tcp"`],
    ['tcp', `${h}: must be a map with type, a list of such maps, or off, got "tcp"`],
    ['[]', `${h}: must have at least one item, got an empty list`],
    [
      '{ type: htpp }',
      `${h}.type: must be one of tcp, http, https, dns, udp, icmp, exec, agent, module, got "htpp"; did you mean "http"?`,
    ],
    ['{ type: http, pth: /x }', `${h}.pth: must be a known key, got "pth"; did you mean "path"?`],
    [
      '[{ type: tcp }, { type: http, pth: /x }]',
      `${h}[1].pth: must be a known key, got "pth"; did you mean "path"?`,
    ],
    [
      '{ type: tcp, path: /x }',
      `${h}.path: must be left out with type: tcp, got "path"; it is for http, https`,
    ],
    ['{ type: http, tls: {} }', `${h}.tls: must be left out with type: http, got "tls"; it is for https`],
    ['{ type: tcp, interval: 50ms }', `${h}.interval: must be 100ms..1h, got "50ms"`],
    [
      '{ type: tcp, interval: soon }',
      `${h}.interval: must be a duration of 100ms..1h, got "soon"; write 250ms, 2s, 1m or a number of seconds`,
    ],
    ['{ type: tcp, timeout: 3s }', `${h}.timeout: must be at most interval, 2s, got "3s"`],
    [
      '{ type: tcp, fast_interval: 2500ms }',
      `${h}.fast_interval: must be at most interval, 2s, got "2500ms"`,
    ],
    ['{ type: tcp, rise: 0 }', `${h}.rise: must be 1..1000, got 0`],
    ['{ type: tcp, jitter: 60% }', `${h}.jitter: must be 0%..50%, got "60%"`],
    ['{ type: tcp, port: 0 }', `${h}.port: must be 1..65535, got 0`],
    [
      '{ type: tcp, source: "::1" }',
      `${h}.source: must be a unicast address, got "::1"; an address of this host that servers can answer`,
    ],
    [
      '{ type: tcp, source: "2001:db8::1" }',
      `${h}.source: must be of the address family of services[0], got "2001:db8::1"; give that service checks of its own`,
    ],
    [
      '{ type: tcp, through: vip }',
      `${h}.source: must be given with through: vip, got nothing; an address that no host has, and that servers answer by way of this director; docs/health.md`,
    ],
    [
      '{ type: icmp, through: vip, source: 10.118.0.1 }',
      `${h}.through: must be direct with type: icmp, got "vip"; no service leads it to a server; tcp, http, https, dns, udp can go through the VIP`,
    ],
    [
      '{ type: udp, through: vip, source: 10.118.0.1 }',
      `${h}.through: must be direct for services[0], got "vip"; it listens on no udp port at which the check could go in`,
    ],
    [
      '{ type: tcp, port: 81, through: vip, source: 10.118.0.1 }',
      `${h}.through: must be direct for services[0], got "vip"; it listens on no tcp port 81 at which the check could go in`,
    ],
    [
      '{ type: tcp, through: vip, source: 10.2.1.2 }',
      `${h}.source: must differ from the address of services[0].servers[0], got "10.2.1.2"; checks through the VIP need an address that nothing else has`,
    ],
    [
      '{ type: tcp, through: vip, source: 10.9.0.1 }',
      `${h}.source: must differ from the address of services[0].listen, got "10.9.0.1"; checks through the VIP need an address that nothing else has`,
    ],
    [
      '{ type: tcp, through: vip, source: 127.0.0.1 }',
      `${h}.source: must be a unicast address, got "127.0.0.1"; an address that no host has, and that servers answer by way of this director`,
    ],
    [
      '{ type: tcp, through: vip, source: "2001:db8::1" }',
      `${h}.source: must be of the address family of services[0], got "2001:db8::1"; give that service checks of its own`,
    ],
    [
      '{ type: http, path: "/a b" }',
      `${h}.path: must begin with / and have no spaces, got "/a b"; write %20 for one`,
    ],
    [
      '{ type: http, path: "/\\r\\nHost: x" }',
      `${h}.path: must begin with / and have no spaces, got "/\\r\\nHost: x"; write %20 for one`,
    ],
    [
      '{ type: http, host: "a\\r\\nb" }',
      `${h}.host: must be a host name, with :port where needed, got "a\\r\\nb"`,
    ],
    [
      '{ type: http, expect: 200-99 }',
      `${h}.expect: must be status codes like 200-399 or "200-299, 404", got "200-99"`,
    ],
    [
      '{ type: http, expect: 600 }',
      `${h}.expect: must be status codes like 200-399 or "200-299, 404", got 600; codes are 100..599, the lower one first`,
    ],
    ['{ type: http, body: "(" }', `${h}.body: must be a regular expression, got "("; Unterminated group`],
    ['{ type: http, headers: { X-A: 1 } }', `${h}.headers.X-A: must be text, got 1; put it in quotes`],
    [
      '{ type: http, headers: { "X A": "1" } }',
      `${h}.headers["X A"]: must have the name of a header, got "X A"; letters, digits and dashes, as X-Probe`,
    ],
    [
      '{ type: http, headers: { X: "1\\r\\nY: 2" } }',
      `${h}.headers.X: must be one line of text, got "1\\r\\nY: 2"; control characters would end the header`,
    ],
    [
      '{ type: http, headers: { host: x } }',
      `${h}.headers.host: must be left out, got "host"; write host beside headers`,
    ],
    [
      '{ type: http, headers: { X-A: x, x-a: y } }',
      `${h}.headers.x-a: must be given once, got "x-a"; upper and lower case are the same to HTTP`,
    ],
    ['{ type: dns }', `${h}.name: must be given, got nothing; write "name: example.com"`],
    [
      '{ type: dns, name: "a b" }',
      `${h}.name: must be a name like example.com, got "a b"; labels are 1..63 letters, digits, - or _`,
    ],
    [
      '{ type: dns, name: a.b, expect: [FINE] }',
      `${h}.expect[0]: must be response codes like [NOERROR, NXDOMAIN], got "FINE"; known are NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, YXDOMAIN, YXRRSET, NXRRSET, NOTAUTH, NOTZONE`,
    ],
    [
      '{ type: dns, name: a.b, record: aaaa }',
      `${h}.record: must be one of A, AAAA, NS, SOA, TXT, MX, CNAME, SRV, PTR, ANY, got "aaaa"; did you mean "AAAA"?`,
    ],
    ['{ type: udp, send: "hex:0" }', `${h}.send: must be text, hex:0a0b or base64:Cgs=, got "hex:0"`],
    ['{ type: exec }', `${h}.command: must be given, got nothing; write "command: [/usr/local/bin/check]"`],
    [
      '{ type: exec, command: [] }',
      `${h}.command: must be a list of texts, the program first, got an empty list`,
    ],
    ['{ type: exec, command: [/etc] }', `${h}.command[0]: must be a file, got "/etc"; /etc is none`],
    [
      '{ type: exec, command: [/nowhere/x] }',
      `${h}.command[0]: must be a program that can be executed, got "/nowhere/x"; /nowhere/x: ENOENT`,
    ],
    [
      '{ type: agent }',
      `${h}.port: must be given with type: agent, got nothing; the agent listens on a port of its own`,
    ],
    ['{ type: module }', `${h}.file: must be given, got nothing; write "file: ./check.js"`],
    [
      '{ type: https, tls: { ca: /etc/hostname } }',
      `${h}.tls.ca: must be a certificate in PEM, got "/etc/hostname"; it begins with -----BEGIN CERTIFICATE-----`,
    ],
    [
      '{ type: https, tls: { ca: /nowhere/ca } }',
      `${h}.tls.ca: must be a file that can be read, got "/nowhere/ca"; /nowhere/ca: ENOENT`,
    ],
  ])('health: %s', (text, ...expected) => {
    expect(complaints(service(`health: ${text}`))).toEqual(expected);
  });

  it.each([
    ['slow_start: 2h', 'services[0].slow_start: must be 1s..1h in whole seconds, got "2h"'],
    ['slow_start: {}', 'services[0].slow_start.duration: must be given, got nothing; write "duration: 30s"'],
    ['slow_start: { duration: 1m, from: 0% }', 'services[0].slow_start.from: must be 1%..100%, got "0%"'],
    ['slow_start: { duration: 1m, curve: 0 }', 'services[0].slow_start.curve: must be 0.1..10, got 0'],
    [
      'drain: { deadline: never }',
      'services[0].drain.deadline: must be a duration of 1s..30d in whole seconds, got "never"; write 300s, 5m, 2h or a number of seconds',
    ],
    ['drain: 60s', 'services[0].drain: must be a map, got "60s"'],
    ['quorum: 1', 'services[0].quorum: must come with sorry_server, got 1; it says when that one serves'],
    [
      'quorum: { weight: 2, hysteresis: 2 }\n    sorry_server: 10.2.9.9:80',
      'services[0].quorum.hysteresis: must be below weight, 2, got 2; it could never be lost otherwise',
    ],
    [
      'sorry_server: 10.2.1.2:80',
      'services[0].sorry_server: must be no server of the service, got "10.2.1.2:80"; services[0].servers[0] is the same; for a last resort among the servers write backup: true there',
    ],
    [
      'sorry_server: 10.9.0.1:80',
      'services[0].sorry_server: must not be a VIP, got "10.9.0.1:80"; services[0].listen listens on it; a real server has an address of its own',
    ],
    [
      'sorry_server: "[2001:db8::9]:80"',
      'services[0].sorry_server: must be IPv4 like services[0].listen, got "[2001:db8::9]:80"; make a service of its own for IPv6',
    ],
    [
      'sorry_server: { address: 10.2.9.9:80, backup: true }',
      'services[0].sorry_server.backup: must be a known key, got "backup"; known here: address, weight, max_connections, resume_connections, routed',
    ],
  ])('%s', (keys, ...expected) => {
    expect(complaints(service(keys))).toEqual(expected);
  });

  it('a check that needs a port is refused where servers have none', () => {
    const text = `services: [{ name: a, listen: tcp://10.9.0.1, persistence: {}, servers: [10.2.1.2:0] }]\n`;
    expect(complaints(`${text}health: { type: tcp }\n`)).toEqual([
      'health.port: must be given, got nothing; services[0].servers[0], 10.2.1.2:0, has none to ask at',
    ]);
    expect(complaints(`${text}health: { type: tcp, port: 80 }\n`)).toEqual([]);
  });
});

describe('doors', () => {
  it.each([
    ['mode: 0660', 'admin.mode: must be octal digits in quotes, like "0660", got 660'],
    ['mode: "0888"', 'admin.mode: must be octal digits in quotes, like "0660", got "0888"'],
    ['group: "a b"', 'admin.group: must be the name or number of a group, got "a b"'],
    [
      'listen: ":9192"',
      'admin.listen: must be off or address:port like 127.0.0.1:9192, got ":9192"; write 0.0.0.0:9192 for every address',
    ],
    [
      'listen: 127.0.0.1:9192',
      'admin.listen: must come with token_file or tls.client_ca, got "127.0.0.1:9192"; whoever reaches it administers the director otherwise',
    ],
    [
      'listen: 127.0.0.1:9191, token_file: t',
      'admin.listen: must not be where metrics are served, got "127.0.0.1:9191"; choose another port',
    ],
    [
      'listen: 192.0.2.1:9192, token_file: t',
      'admin.listen: must be a loopback address where there is no tls, got "192.0.2.1:9192"; add tls: the token would travel in the clear',
    ],
    [
      'tls: { key: k }',
      'admin.tls.certificate: must be given, got nothing; write "certificate: /etc/vsnat/admin.pem"',
    ],
    ['run_time_changes: forget', 'admin.run_time_changes: must be one of drop, keep, got "forget"'],
  ])('admin: { %s }', (keys, ...expected) => {
    expect(complaints(`services: []\nadmin: { ${keys} }\n`)).toEqual(expected);
  });

  it('are not where a service is', () => {
    const text = `${service('routed: true')}admin: { listen: 10.9.0.1:80, token_file: t, tls: { certificate: c, key: k } }\n`;
    expect(complaints(text)).toEqual([
      'admin.listen: must not be where services[0].listen listens, got "10.9.0.1:80"; choose another port',
    ]);
  });

  it('have files beside the configuration', () => {
    const { model } = parseConfig(
      'services: []\nadmin: { listen: 127.0.0.1:9192, token_file: t, tls: { certificate: a/c.pem, key: /k } }\n',
      { file: join(folder, 'vsnat.yaml') },
    );
    expect(model.admin).toMatchObject({
      tokenFile: join(folder, 't'),
      tls: { certificate: join(folder, 'a/c.pem'), key: '/k', clientCa: null },
    });
  });
});

describe('a check through the VIP', () => {
  const through = '{ type: tcp, through: vip, source: 10.118.0.1 }';

  it('goes in where clients do, and needs a port only where neither the service nor the server has one', () => {
    expect(check(through)).toMatchObject({ through: 'vip', source: '10.118.0.1', port: null });
    const whole = (server: string, health: string): string =>
      `services:\n  - name: web\n    listen: tcp://10.9.0.1\n    persistence: {}\n    health: ${health}\n    servers: [${server}]\n`;
    expect(complaints(whole('10.2.1.2:0', through.replace('tcp,', 'tcp, port: 80,')))).toEqual([]);
    expect(complaints(whole('10.2.1.2:0', through)).join()).toContain(
      'port: must be given, got nothing; services[0] listens on every port, and a server has none of its own',
    );
    expect(complaints(service(`health: ${through}`, 'servers: [10.2.1.2:0]'))).toEqual([]);
  });

  it('comes from no address of this host, also not on a reload', () => {
    const prefixes = [{ prefix: '10.2.1.0/24', interface: 'eth1' }];
    const text = service(`health: ${through}`);
    const read = (addresses: readonly string[]) =>
      parseConfig(text, { host: { prefixes, addresses }, running: parseConfig(text).model });
    expect(read(['10.2.1.1']).notes).toEqual([]);
    expect(() => read(['10.2.1.1', '10.118.0.1'])).toThrow(
      'must be no address of this host with through: vip, got "10.118.0.1"; servers\' answers would reach this host past the director',
    );
  });

  it('is in the way of a server that a change at run time brings', () => {
    const running = parseConfig(service(`health: ${through}`)).model;
    const other = virtualService({ name: 'b', listen: 'tcp://10.9.0.2:80', servers: ['10.118.0.1:80'] });
    const wanted = { ...running, services: [...running.services, other] };
    expect(problemsOf(wanted, running).map(({ message }) => message)).toEqual([
      'must differ from the address of services[1].servers[0], got "10.118.0.1"; checks through the VIP need an address that nothing else has',
    ]);
    expect(problemsOf({ ...running, services: [...running.services] }, running)).toEqual([]);
  });
});
