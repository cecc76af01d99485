// SPDX-License-Identifier: Apache-2.0
/** Good configurations, what becomes of them, and that nothing but a ConfigError ever comes of bad ones. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { checkCounts, maxima } from '../../../src/config/checks.js';
import { draft } from '../../../src/config/draft.js';
import { Field } from '../../../src/config/field.js';
import { filesThere } from '../../../src/config/files.js';
import { noModules } from '../../../src/config/schedulers.js';
import {
  ConfigError,
  formatProblem,
  loadConfig,
  parseConfig,
  type HostNetwork,
} from '../../../src/config/index.js';
import { configSchema } from '../../../src/config/schema.js';
import { readYaml } from '../../../src/config/yaml.js';
import { formatListen } from '../../../src/model/endpoint.js';
import { kernelSysctls } from '../../../src/model/sysctls.js';
import { kernelTimeouts } from '../../../src/model/timeouts.js';
import { schedulerNames } from '../../../src/scheduler/index.js';

const folder = mkdtempSync(join(tmpdir(), 'vsnat-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function pipe(): string {
  const path = join(folder, 'pipe');
  rmSync(path, { force: true });
  execFileSync('mkfifo', [path]);
  return path;
}

describe('a good file', () => {
  test('may hold no services, and gets every default', () => {
    expect(parseConfig('services: []').model).toEqual({
      services: [],
      marks: [],
      tun: {
        name: 'vsnat0',
        queues: 'auto',
        offload: 'auto',
        mtu: 65535,
        steering: 'auto',
        ingress: 'auto',
        egress: 'auto',
        shortcut: 'auto',
        io: 'auto',
        persist: false,
      },
      flows: { capacity: 262144 },
      admin: {
        socket: '/run/vsnat/vsnat.sock',
        mode: 0o660,
        group: null,
        listen: null,
        tokenFile: null,
        tls: null,
        runTimeChanges: 'drop',
      },
      metrics: { listen: { address: '127.0.0.1', port: 9191 }, nodeIpvs: false, maxSeries: 10_000 },
      log: { level: 'info', format: 'text' },
      ipvs: {
        removedServers: 'reset',
        onePacketReplies: 'translate',
        expireNodestConn: 'auto',
        sysctls: kernelSysctls,
      },
    });
  });

  test('may set every key', () => {
    const { model } = parseConfig(`
services:
  - name: web
    listen: [tcp://10.9.0.1:80, udp://10.9.0.1:80]
    scheduler: mh
    flags: [mh-port, mh-fallback]
    routed: true
    servers:
      - 10.2.1.2:8080
      - { address: 10.2.2.2:8080, weight: 0, max_connections: 1000, resume_connections: 700 }
    timeouts: { tcp_established: 2h, tcp_syn_recv: 1s, tcp_syn_sent: 2, tcp_fin_wait: "3", tcp_time_wait: 4s,
                tcp_close: 0.5m, tcp_close_wait: 6000ms, tcp_last_ack: 7s, udp: 30d,
                sctp_established: 1h }
    helper: none
  - name: web.6
    listen: tcp://[2001:DB8::0:1]:80
    servers: ["[2001:db8:1::2]:8080", { address: "[2001:db8:1::3]:8080", routed: true }]
  - name: group
    listen: [tcp://10.9.0.2, udp://10.9.0.2:0, tcp://10.9.0.3:21]
    mark: 4294967295
    persistence: { timeout: 5m, netmask: 255.255.254.0 }
    servers: [10.2.1.2:0]
  - name: dns
    listen: udp://10.9.0.1:53
    one_packet: true
    servers: []
  - { name: whole, listen: "tcp://[2001:db8::2]", persistence: {}, servers: [] }
marks: [{ mark: 7, listen: [tcp://10.9.0.4:80, udp://10.9.0.4:53] }, { mark: 7, listen: "tcp://[2001:db8::4]" }]
tun: { name: v0, queues: 2, offload: off, persist: false, mtu: 1500, steering: random, ingress: route, egress: direct, shortcut: off }
flows: { capacity: 1M }
admin: { socket: /tmp/v.sock, mode: "0600", group: adm, listen: 127.0.0.1:9192, token_file: /etc/vsnat/token,
         tls: { certificate: /a.pem, key: /a.key, client_ca: /ca.pem }, run_time_changes: keep }
metrics: { listen: off, node_ipvs: true, max_series: 5000 }
log: { level: debug, format: json }
ipvs: { removed_servers: silent, one_packet_replies: pass }
`);
    const usual = { backup: false, disabled: false, checked: true };
    const plain = { weight: 1, upperThreshold: 0, lowerThreshold: 0, ...usual };
    const unwatched = {
      health: [],
      slowStart: null,
      drain: { deadlineSeconds: null, then: 'reset' },
      quorum: null,
      sorryServers: [],
    };
    const ungrouped = { persistence: null, mark: null, onePacket: false };
    expect(model).toEqual({
      services: [
        {
          name: 'web',
          listen: [
            { protocol: 'tcp', address: '10.9.0.1', port: 80 },
            { protocol: 'udp', address: '10.9.0.1', port: 80 },
          ],
          scheduler: 'mh',
          flags: ['mh-port', 'mh-fallback'],
          servers: [
            { address: '10.2.1.2', port: 8080, ...plain, routed: true },
            {
              address: '10.2.2.2',
              port: 8080,
              weight: 0,
              upperThreshold: 1000,
              lowerThreshold: 700,
              ...usual,
              routed: true,
            },
          ],
          timeouts: {
            tcpEstablished: 7200,
            tcpSynRecv: 1,
            tcpSynSent: 2,
            tcpFinWait: 3,
            tcpTimeWait: 4,
            tcpClose: 30,
            tcpCloseWait: 6,
            tcpLastAck: 7,
            udp: 2_592_000,
            sctpEstablished: 3_600,
          },
          ...ungrouped,
          helper: 'none',
          ...unwatched,
        },
        {
          name: 'web.6',
          listen: [{ protocol: 'tcp', address: '2001:db8::1', port: 80 }],
          scheduler: 'wlc',
          flags: [],
          servers: [
            { address: '2001:db8:1::2', port: 8080, ...plain, routed: false },
            { address: '2001:db8:1::3', port: 8080, ...plain, routed: true },
          ],
          timeouts: kernelTimeouts,
          ...ungrouped,
          helper: 'none',
          ...unwatched,
        },
        {
          name: 'group',
          listen: [
            { protocol: 'tcp', address: '10.9.0.2', port: 0 },
            { protocol: 'udp', address: '10.9.0.2', port: 0 },
            { protocol: 'tcp', address: '10.9.0.3', port: 21 },
          ],
          scheduler: 'wlc',
          flags: [],
          servers: [{ address: '10.2.1.2', port: 0, ...plain, routed: false }],
          timeouts: kernelTimeouts,
          helper: 'none',
          ...unwatched,
          persistence: { timeoutSeconds: 300, prefixLength: 23 },
          mark: 4294967295,
          onePacket: false,
        },
        {
          name: 'dns',
          listen: [{ protocol: 'udp', address: '10.9.0.1', port: 53 }],
          scheduler: 'wlc',
          flags: [],
          servers: [],
          timeouts: kernelTimeouts,
          helper: 'none',
          ...unwatched,
          ...ungrouped,
          onePacket: true,
        },
        {
          name: 'whole',
          listen: [{ protocol: 'tcp', address: '2001:db8::2', port: 0 }],
          scheduler: 'wlc',
          flags: [],
          servers: [],
          timeouts: kernelTimeouts,
          helper: 'none',
          ...unwatched,
          ...ungrouped,
          persistence: { timeoutSeconds: 360, prefixLength: 128 },
        },
      ],
      marks: [
        {
          mark: 7,
          listen: [
            { protocol: 'tcp', address: '10.9.0.4', port: 80 },
            { protocol: 'udp', address: '10.9.0.4', port: 53 },
          ],
        },
        { mark: 7, listen: [{ protocol: 'tcp', address: '2001:db8::4', port: 0 }] },
      ],
      tun: {
        name: 'v0',
        queues: 2,
        offload: 'off',
        mtu: 1500,
        steering: 'random',
        ingress: 'route',
        egress: 'direct',
        shortcut: 'off',
        io: 'auto',
        persist: false,
      },
      flows: { capacity: 1048576 },
      admin: {
        socket: '/tmp/v.sock',
        mode: 0o600,
        group: 'adm',
        listen: { address: '127.0.0.1', port: 9192 },
        tokenFile: '/etc/vsnat/token',
        tls: { certificate: '/a.pem', key: '/a.key', clientCa: '/ca.pem' },
        runTimeChanges: 'keep',
      },
      metrics: { listen: null, nodeIpvs: true, maxSeries: 5000 },
      log: { level: 'debug', format: 'json' },
      ipvs: {
        removedServers: 'silent',
        onePacketReplies: 'pass',
        expireNodestConn: 'auto',
        sysctls: kernelSysctls,
      },
    });
  });

  test('may leave it to a mark where its service listens, by the family of the servers', () => {
    const listens = (text: string): readonly string[] =>
      parseConfig(text).model.services.map(({ listen }) => listen.map(formatListen).join());
    const marks =
      'marks: [{ mark: 7, listen: [tcp://10.9.0.4:80, udp://10.9.0.4:53] }, { mark: 7, listen: "tcp://[2001:db8::4]:80" }, { mark: 8, listen: sctp://10.9.0.5 }]';
    expect(
      listens(
        `services: [{ name: a, mark: 7, servers: ["[2001:db8::2]:0"] }, { name: b, mark: 7, servers: [10.2.1.2:0] }, { name: c, mark: 8, servers: [] }]\n${marks}`,
      ),
    ).toEqual(['tcp://[2001:db8::4]:80', 'tcp://10.9.0.4:80,udp://10.9.0.4:53', 'sctp://10.9.0.5:0']);
    expect(
      listens(
        `services: [{ name: a, mark: 7, listen: [udp://10.9.0.4:53, tcp://10.9.0.4:80], servers: [] }]\n${marks}`,
      ),
    ).toEqual(['udp://10.9.0.4:53,tcp://10.9.0.4:80']);
  });

  test('may leave out both the place and how much of a client counts, which is all of it', () => {
    const [four, six] = parseConfig(
      'services: [{ name: a, mark: 7, persistence: {}, servers: [] }, { name: b, mark: 8, persistence: {}, servers: [] }]\n' +
        'marks: [{ mark: 7, listen: tcp://10.9.0.4:80 }, { mark: 8, listen: "tcp://[2001:db8::4]:80" }]',
    ).model.services;
    expect([four?.persistence?.prefixLength, six?.persistence?.prefixLength]).toEqual([32, 128]);
  });

  test('may have an ordinary service where a mark has one', () => {
    const both =
      'services: [{ name: a, listen: tcp://10.9.0.1:80, servers: [] }, { name: b, listen: tcp://10.9.0.1:80, mark: 7, servers: [] }]';
    expect(parseConfig(both).model.services.map(({ mark }) => mark)).toEqual([null, 7]);
  });

  test('may be JSON, and may share parts by anchors', () => {
    const json = '{"services": [{"name": "a", "listen": "tcp://10.9.0.1:80", "servers": []}]}';
    expect(parseConfig(json).model.services).toHaveLength(1);
    const { model } = parseConfig(`services:
  - { name: a, listen: tcp://10.9.0.1:80, servers: &servers [10.2.1.2:80, 10.2.2.2:80] }
  - { name: b, listen: tcp://10.9.0.1:81, servers: *servers }
`);
    expect(model.services[1]?.servers).toEqual(model.services[0]?.servers);
  });

  test('may have Windows line ends and a byte order mark', () => {
    expect(parseConfig('\ufeffservices: []\r\nlog: { level: warn }\r\n').model.log.level).toBe('warn');
  });

  test('may have the same server in two services, and a service without servers', () => {
    const { model } = parseConfig(`services:
  - { name: a, listen: tcp://10.9.0.1:80, servers: [10.2.1.2:80] }
  - { name: b, listen: tcp://10.9.0.2:80, servers: [10.2.1.2:80] }
  - { name: c, listen: udp://10.9.0.1:80, servers: [] }
`);
    expect(model.services.map(({ servers }) => servers.length)).toEqual([1, 1, 0]);
  });

  test('comes back the same from the document that describes its model', () => {
    const port = fc.integer({ min: 1, max: 65535 });
    const server = fc.record({
      address: fc.tuple(fc.nat(255), fc.nat(255), port).map(([a, b, p]) => `10.2.${a}.${b}:${p}`),
      weight: fc.integer({ min: 0, max: 65535 }),
    });
    const service = fc.record({
      scheduler: fc.constantFrom(...schedulerNames),
      servers: fc.uniqueArray(server, { maxLength: 6, selector: ({ address }) => address }),
    });
    fc.assert(
      fc.property(fc.array(service, { maxLength: 5 }), (services) => {
        const document = {
          services: services.map((it, i) => ({ name: `s${i}`, listen: `tcp://10.9.0.${i}:80`, ...it })),
        };
        const { model } = parseConfig(stringify(document));
        expect(model.services.map(({ scheduler }) => scheduler)).toEqual(services.map((it) => it.scheduler));
        expect(
          model.services.map(({ servers }) => servers.map((it) => [`${it.address}:${it.port}`, it.weight])),
        ).toEqual(services.map(({ servers }) => servers.map((it) => [it.address, it.weight])));
      }),
    );
  });
});

describe('loadConfig', () => {
  test('reads a file', () => {
    expect(loadConfig(file('good.yaml', 'services: []')).model.services).toEqual([]);
  });

  test('puts the name of the file before every problem', () => {
    const path = file('bad.yaml', 'services: 1');
    expect(() => loadConfig(path)).toThrow(
      `${path}:1:11: services: must be a list, got 1; write [] for none`,
    );
  });

  test.each([
    ['missing', () => join(folder, 'none.yaml'), 'cannot be read, got ENOENT; check the path'],
    [
      'a folder',
      () => folder,
      'cannot be read, got a directory; a configuration is a regular file: save it as one and name that',
    ],
    ['a pipe that nobody writes to', pipe, 'cannot be read, got a pipe; a configuration is a regular file'],
    ['a device without end', () => '/dev/zero', 'cannot be read, got a device; a configuration is a regular'],
    [
      'no UTF-8',
      () => file('latin1.yaml', Uint8Array.of(0xe9, 0x3a)),
      'got bytes that are no UTF-8; save it as UTF-8',
    ],
    [
      'a giant',
      () => file('giant.yaml', new Uint8Array(2 ** 26 + 1)),
      'got more than 67108864 bytes; check the path',
    ],
  ])('a file that is %s is unreadable, in a sentence', (_, path, sentence) => {
    expect(() => loadConfig(path())).toThrow(sentence);
    expect(() => loadConfig(path())).toThrow(
      expect.objectContaining({ code: 'VSNAT_CONFIG_UNREADABLE' }) as Error,
    );
  });
});

describe('reach', () => {
  const text = (routed = ''): string => `services:
  - name: web
    listen: tcp://10.9.0.1:80
    servers: [10.2.1.2:80, { address: 10.7.0.2:80${routed} }]
  - name: web6
    listen: tcp://[2001:db8:9::1]:80
    servers: ["[2001:db8:1::2]:80"]
`;
  const host: HostNetwork = {
    prefixes: [
      { prefix: '10.2.1.0/24', interface: 'eth0' },
      { prefix: '2001:db8:1::/64', interface: 'eth0' },
    ],
  };
  const why =
    "VS/NAT needs the server's replies to come back through this director; " +
    'add the interface, or set routed: true if a router brings them back here';

  test('a server in no subnet of the host is a mistake', () => {
    expect(() => parseConfig(text(), { host, file: 'f' })).toThrow(
      `f:4:28: services[0].servers[1]: must be in a subnet of this host, got "10.7.0.2:80"; no interface leads there, and ${why}`,
    );
  });

  test('with a default route it says where the packets would go', () => {
    expect(() => parseConfig(text(), { host: { ...host, defaultRoute: true } })).toThrow(
      `got "10.7.0.2:80"; it would go out by the default route, and ${why}`,
    );
  });

  test('on a reload it is only a note for a server that is configured already', () => {
    const running = parseConfig(text(), { file: 'f' }).model;
    const { notes } = parseConfig(text().replace('10.2.1.2:80', '10.2.1.3:80'), { host, running, file: 'f' });
    expect(notes).toEqual([
      `f:4:28: services[0].servers[1]: must be in a subnet of this host, got "10.7.0.2:80"; no interface leads there, and ${why} (accepted: it is configured already)`,
    ]);
  });

  test('on a reload it is a mistake still for a server that is new', () => {
    const running = parseConfig(text()).model;
    const wanted = text().replace('10.7.0.2:80', '10.7.0.2:81');
    expect(() => parseConfig(wanted, { host, running })).toThrow(
      'must be in a subnet of this host, got "10.7.0.2:81"',
    );
  });

  test("an address that can be no server's is told once", () => {
    const wanted = text().replace('10.7.0.2', '127.0.0.1');
    expect(() => parseConfig(wanted, { host, file: 'f' })).toThrow(
      /^f:4:39: services\[0\]\.servers\[1\]\.address: must be a unicast address, .*$/,
    );
  });

  test('unless the file says that it is routed', () => {
    const { model, notes } = parseConfig(text(', routed: true'), { host });
    expect(model.services[0]?.servers.map(({ routed }) => routed)).toEqual([false, true]);
    expect(notes).toEqual([]);
  });

  test('every server out of reach is named, IPv6 as well', () => {
    const parse = (): unknown => parseConfig(text(), { host: { prefixes: [] } });
    expect(parse).toThrow(
      expect.objectContaining({
        problems: [
          expect.objectContaining({ path: 'services[0].servers[0]', line: 4, column: 15 }),
          expect.objectContaining({ path: 'services[0].servers[1]' }),
          expect.objectContaining({ path: 'services[1].servers[0]', line: 7 }),
        ],
      }) as Error,
    );
  });

  test('a host that cannot tell its subnets is noted, not blamed', () => {
    expect(parseConfig(text(), { host: null }).notes).toEqual([
      'the subnets of this host are unknown; servers were not checked for reach',
    ]);
    expect(parseConfig(text()).notes).toEqual([]);
  });
});

describe('whatever the text', () => {
  const onlyConfigErrors = (text: string): void => {
    try {
      parseConfig(text);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      expect(error.problems.length).toBeGreaterThan(0);
      for (const { line, column, message } of error.problems) {
        expect(line).toBeGreaterThan(0);
        expect(column).toBeGreaterThan(0);
        expect(message).toMatch(/^must /);
        expect(message).not.toMatch(/\p{Cc}/u);
      }
    }
  };

  const scraps = fc.constantFrom(
    ...[
      'services',
      'tun',
      'name',
      'listen',
      'servers',
      'weight',
      'tcp://10.9.0.1:80',
      '10.2.1.2:80',
      ':',
      ': ',
      '- ',
    ],
    ...[
      '\n',
      '\n  ',
      '\n    ',
      '[',
      ']',
      '{',
      '}',
      ',',
      '&a ',
      '*a',
      '!t ',
      '"',
      "'",
      '|',
      '>',
      '#',
      '%',
      '? ',
      '~',
    ],
    ...[
      '0',
      '-1',
      '1e9',
      '.inf',
      'null',
      'true',
      '\t',
      '\u0000',
      '\ufeff',
      '---\n',
      '...\n',
      '<<',
      '\\',
      '\u{1f600}',
    ],
  );

  test('YAML-like junk gives a model or a ConfigError', () => {
    fc.assert(
      fc.property(fc.array(scraps, { maxLength: 60, size: 'max' }), (parts) =>
        onlyConfigErrors(parts.join('')),
      ),
      { numRuns: 600 },
    );
  });

  test('any document under any known key gives a model or a ConfigError', () => {
    const keys = ['services', 'tun', 'flows', 'admin', 'metrics', 'log', 'ipvs', 'name', 'listen', 'servers'];
    const { document } = fc.letrec((tie) => ({
      leaf: fc.oneof(
        fc.string(),
        fc.double(),
        fc.boolean(),
        fc.constant(null),
        fc.constantFrom('10.2.1.2:80', 'off'),
      ),
      map: fc.dictionary(
        fc.oneof(fc.constantFrom(...keys, 'weight', 'address', 'udp'), fc.string()),
        tie('document'),
      ),
      list: fc.array(tie('document'), { maxLength: 4 }),
      document: fc.oneof({ maxDepth: 5 }, tie('leaf'), tie('map'), tie('list')),
    }));
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), document), (value) =>
        onlyConfigErrors(stringify(value)),
      ),
      { numRuns: 120 },
    );
  });

  const good = `include: []
services:
  - name: web
    listen: [tcp://10.9.0.1:80, tcp://10.9.0.1:443]
    scheduler: mh
    flags: [mh-port]
    servers: [10.2.1.2:0, { address: "10.2.1.3:0", weight: 2, backup: true, health: off }]
    persistence: { timeout: 5m, netmask: 24 }
    health:
      - { type: http, port: 80, path: /up, headers: { X-Probe: "\${A:-1}" }, expect: "200-299, 404", body: "^ok" }
      - { type: dns, port: 53, name: a.example, expect: [NOERROR] }
    slow_start: { duration: 30s, from: 10% }
    drain: { deadline: 60s, then: silence }
    quorum: { weight: 2, hysteresis: 1 }
    sorry_server: 10.2.9.9:0
marks: [{ mark: 7, listen: udp://10.9.0.1:53 }]
admin: { mode: "0600", listen: 127.0.0.1:9192, token_file: t }
ipvs: { drop_entry: 1 }
`;

  test('a good file with slips in it gives a model or a ConfigError', () => {
    const slip = fc.record({
      at: fc.nat(good.length),
      length: fc.nat(12),
      text: fc.oneof(
        fc.constant(''),
        scraps,
        fc.constantFrom('${', '}', '${A}', '99999999999', '-', 'off', '0'),
      ),
    });
    const lines = good.split('\n').length;
    const move = fc.record({ from: fc.nat(lines), to: fc.nat(lines) });
    parseConfig(good);
    fc.assert(
      fc.property(fc.array(slip, { maxLength: 3 }), fc.array(move, { maxLength: 1 }), (slips, moves) => {
        const order = good.split('\n');
        for (const { from, to } of moves) order.splice(to, 0, ...order.splice(from, 1));
        const text = slips.reduce(
          (before, { at, length, text: other }) => before.slice(0, at) + other + before.slice(at + length),
          order.join('\n'),
        );
        onlyConfigErrors(text);
      }),
      { numRuns: 800 },
    );
  });

  test.each([
    ['ten million brackets without end', '['.repeat(10_000_000)],
    ['a line of half a megabyte that is no YAML', `services: [a${' {x'.repeat(180_000)}`],
    ['more than the parser may be given', '\n'.repeat(17 * 2 ** 20)],
    ['maps without end', '{a: '.repeat(2000)],
    ['nesting deeper than any configuration', `services: ${'['.repeat(60)}${']'.repeat(60)}`],
    [
      'aliases of aliases of aliases',
      `${['a: &a [1,1,1,1,1,1,1,1,1]', ...Array.from('bcdefgh', (name, i) => `${name}: &${name} [${`*${'abcdefgh'.charAt(i)},`.repeat(9)}]`)].join('\n')}\n`,
    ],
  ])('%s are refused, soon', (_, text) => {
    expect(() => parseConfig(text)).toThrow(ConfigError);
  });
});

describe('how much there may be', () => {
  const text = `services:
  - { name: a, listen: tcp://10.9.0.1:80, servers: [10.2.1.1:80, 10.2.1.2:80] }
  - { name: b, listen: tcp://10.9.0.2:80, servers: [10.2.1.1:80, 10.2.1.2:80, 10.2.1.3:80] }
  - { name: c, listen: tcp://10.9.0.3:80, servers: [] }
`;
  const complaints = (most: Readonly<Record<'services' | 'servers', number>>): readonly string[] => {
    const { value, problems } = readYaml(text, 'f');
    const { services } = draft(Field.root(value, problems, configSchema), [], filesThere, noModules);
    checkCounts(services, most);
    return problems.list.map(formatProblem);
  };

  test('is what the dataplane is made for', () => {
    expect(maxima).toEqual({ services: 65_536, servers: 1_048_576 });
    expect(complaints({ services: 3, servers: 5 })).toEqual([]);
  });

  test('and the first that is too many is the place of the mistake', () => {
    expect(complaints({ services: 2, servers: 4 })).toEqual([
      'f:3:79: services[1].servers[2]: must be one of at most 4 servers, got 5 of them; share them among several directors',
      'f:4:5: services[2]: must be one of at most 2 services, got 3 of them; share them among several directors',
    ]);
  });
});

test.each([1, 256])('%i queues are what the file may ask for at its bounds', (queues) => {
  expect(parseConfig(`services: []\ntun: { queues: ${queues} }`).model.tun.queues).toBe(queues);
});
