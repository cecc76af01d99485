// SPDX-License-Identifier: Apache-2.0
/** Each mistake with the exact line that a user reads. Rows hold the text of a file and every line it must produce. */
import { describe, expect, test } from 'vitest';
import { ConfigError, parseConfig } from '../../../src/config/index.js';

interface Row {
  readonly name: string;
  readonly text: string;
  readonly lines: readonly string[];
}

/** A service that is fine but for what `keys` say about it; those start at line 4. */
const service = (keys: string): string =>
  `services:\n  - name: web\n    listen: tcp://10.9.0.1:80\n${keys}\n`;
const withServers = (servers: string): string => service(`    servers: ${servers}`);
const withTop = (keys: string): string => `services: []\n${keys}\n`;

const row = (name: string, text: string, ...lines: readonly string[]): Row => ({ name, text, lines });

/** A service without `listen`, whose mark is to say where it is. */
const marked = (rules: string, keys = 'mark: 7, servers: []'): string =>
  `services: [{ name: a, ${keys} }]\nmarks:\n${rules}\n`;

const timeoutHint = 'write 300s, 5m, 2h or a number of seconds';
const endpointForm = 'must be address:port like 10.2.1.2:8080 or [2001:db8::2]:8080';
const listenForm = 'must be protocol://address:port like tcp://10.9.0.1:80 or udp://[2001:db8::1]:53';
const topKeys = 'services, include, marks, health, tun, flows, admin, metrics, log, ipvs';
const names = 'rr, wrr, lc, wlc, fo, ovf, lblc, lblcr, dh, sh, mh, sed, nq, twos';

const tables: Readonly<Record<string, readonly Row[]>> = {
  'the document': [
    row('an empty file', '', '1:1: must be a map with services, got nothing; write at least "services: []"'),
    row(
      'only a comment',
      '# soon\n',
      '1:1: must be a map with services, got nothing; write at least "services: []"',
    ),
    row('a list', '- 1\n', '1:1: must be a map with services, got a list; write at least "services: []"'),
    row(
      'a word',
      'services\n',
      '1:1: must be a map with services, got "services"; write at least "services: []"',
    ),
    row(
      'no services',
      'log: { level: info }\n',
      '1:1: services: must be given, got nothing; write "services: []"',
    ),
    row(
      'services without a value',
      'services:\n',
      '1:1: services: must be a list, got nothing; write [] for none',
    ),
    row(
      'services as a map',
      'services: {}\n',
      '1:11: services: must be a list, got a map; write [] for none',
    ),
    row('a service that is a word', 'services: [web]\n', '1:12: services[0]: must be a map, got "web"'),
    row(
      'a misspelt key',
      withTop('metric: {}'),
      `2:1: metric: must be a known key, got "metric"; did you mean "metrics"?`,
    ),
    row(
      'a strange key',
      withTop('frontends: 1'),
      `2:1: frontends: must be a known key, got "frontends"; known here: ${topKeys}`,
    ),
    row(
      'a merge key',
      'services:\n  - &a { name: a, listen: tcp://10.9.0.1:80, servers: [] }\n  - { <<: *a, name: b, listen: tcp://10.9.0.1:81, servers: [] }\n',
      '3:7: services[1]["<<"]: must be a known key, got "<<"; YAML 1.2 has no merge keys: write the keys out, and share single values (servers: *name)',
    ),
    row(
      'brackets that nobody closes',
      `services: ${'['.repeat(100_000)}`,
      '1:43: must be nested at most 32 deep, got more',
    ),
    row(
      'a list in a list in a list, and so on, in one line',
      `services:\n  ${'- '.repeat(100_000)}`,
      '2:65: must be nested at most 32 deep, got more',
    ),
    row(
      'indentation that goes on and on',
      `services:\n${Array.from({ length: 2000 }, (_, depth) => `${' '.repeat(depth)}-\n`).join('')}`,
      '34:33: must be nested at most 32 deep, got more',
    ),
    row(
      'a key with a dot',
      withTop('a.b: 1'),
      `2:1: ["a.b"]: must be a known key, got "a.b"; known here: ${topKeys}`,
    ),
    row(
      'a number as key',
      withTop('5: 1'),
      `2:1: ["5"]: must be a known key, got "5"; known here: ${topKeys}`,
    ),
    row(
      'a key twice',
      withTop('log: {}\nlog: {}'),
      '3:1: log: must be given once, got "log" again; remove one',
    ),
    row(
      '__proto__',
      withTop('__proto__: { a: 1 }'),
      `2:1: __proto__: must be a known key, got "__proto__"; known here: ${topKeys}`,
    ),
    row(
      'what a later version has',
      withTop('discovery: {}'),
      '2:1: discovery: must be left out, got a map; discovery is not supported in this version yet',
    ),
  ],
  'YAML itself': [
    row(
      'an open bracket',
      'services: [',
      '1:12: must be valid YAML, got Flow sequence in block collection must be sufficiently indented and end with a ]',
    ),
    row('a tab', 'services:\n\t- a\n', '2:1: must be valid YAML, got Tabs are not allowed as indentation'),
    row(
      'two documents',
      'services: []\n---\nservices: []\n',
      '2:1: must be valid YAML, got several documents',
    ),
    row('a tag', 'services: !list []\n', '1:11: must be valid YAML, got Unresolved tag: !list'),
    row(
      'an alias without an anchor',
      'services: *all\n',
      '1:11: services: must name an anchor above it, got an unknown alias',
      '1:11: services: must be given, got nothing; write "services: []"',
    ),
    row(
      'an alias inside what it names',
      withServers('&s [*s]'),
      '4:18: services[0].servers[0]: must not contain itself, got an alias of what it is in',
      '4:18: services[0].servers[0]: must be text like 10.2.1.2:8080 or a map with address, weight, …, got nothing',
    ),
    row(
      'an unquoted IPv6 server',
      service('    servers:\n      - [2001:db8::2]:8080'),
      '5:22: must be valid YAML, got Unexpected scalar at node end; write IPv6 in quotes: "[2001:db8::2]:8080"',
    ),
  ],
  'a service': [
    row(
      'nothing in it',
      'services: [{}]\n',
      '1:12: services[0].name: must be given, got nothing; write "name: web"',
      '1:12: services[0].servers: must be given, got nothing; write "servers: [10.2.1.2:8080]"',
      '1:12: services[0].listen: must be given, got nothing; write "listen: tcp://10.9.0.1:80"',
    ),
    row(
      'a name with a space',
      'services: [{ name: my web, listen: tcp://10.9.0.1:80, servers: [] }]',
      '1:20: services[0].name: must be 1..63 letters, digits, dots, dashes or underscores, a letter or digit first, got "my web"',
    ),
    row(
      'a number as name',
      'services: [{ name: 7, listen: tcp://10.9.0.1:80, servers: [] }]',
      '1:20: services[0].name: must be 1..63 letters, digits, dots, dashes or underscores, a letter or digit first, got 7',
    ),
    row(
      'a name taken',
      `${withServers('[]')}  - { name: web, listen: tcp://10.9.0.2:80, servers: [] }`,
      '5:13: services[1].name: must differ from services[0].name, got "web"; every service needs a name of its own',
    ),
    row(
      'an unknown scheduler',
      service('    scheduler: wlcc\n    servers: []'),
      `4:16: services[0].scheduler: must be one of ${names}, peak-ewma, bounded-hash or a module like ./my-scheduler.js, got "wlcc"; did you mean "wlc"?`,
    ),
    row(
      'a scheduler module, read without modules',
      service('    scheduler: ./mine.js\n    servers: []'),
      `4:16: services[0].scheduler: must be one that needs no module here, got "./mine.js"; read the configuration with loadConfigWithModules, or give virtualService the scheduler itself`,
    ),
    row(
      'a scheduler that is a number',
      service('    scheduler: 1\n    servers: []'),
      `4:16: services[0].scheduler: must be one of ${names}, peak-ewma, bounded-hash or a module like ./my-scheduler.js, got 1`,
    ),
    row(
      'a flag of another scheduler',
      service('    scheduler: mh\n    flags: [sh-port]\n    servers: []'),
      '5:13: services[0].flags[0]: must be a flag of the scheduler mh, got "sh-port"; write mh-port',
    ),
    row(
      'a flag where none fits',
      service('    flags: [mh-port]\n    servers: []'),
      '4:13: services[0].flags[0]: must be a flag of the scheduler wlc, got "mh-port"; leave it out',
    ),
    row(
      'a flag of sh for dh, which has none',
      service('    scheduler: dh\n    flags: [sh-fallback]\n    servers: []'),
      '5:13: services[0].flags[0]: must be a flag of the scheduler dh, got "sh-fallback"; leave it out',
    ),
    row(
      'an unknown flag',
      service('    flags: [mh-prot]\n    servers: []'),
      '4:13: services[0].flags[0]: must be one of sh-port, sh-fallback, mh-port, mh-fallback, got "mh-prot"; did you mean "mh-port"?',
    ),
    row(
      'a flag twice',
      service('    scheduler: mh\n    flags: [mh-port, mh-port]\n    servers: []'),
      '5:12: services[0].flags: must be a list of sh-port, sh-fallback, mh-port, mh-fallback, each once, got a list',
    ),
    row(
      'persistence without a map',
      service('    persistence: 300s\n    servers: []'),
      '4:18: services[0].persistence: must be a map, got "300s"',
    ),
    row(
      'persistence for less than a second',
      service('    persistence: { timeout: 0 }\n    servers: []'),
      '4:29: services[0].persistence.timeout: must be 1s..30d in whole seconds, got 0',
    ),
    row(
      'a netmask of three bytes',
      service('    persistence: { netmask: 255.0.255 }\n    servers: []'),
      '4:29: services[0].persistence.netmask: must be a prefix length like 24 or a mask like 255.255.255.0, got "255.0.255"',
    ),
    row(
      'a netmask that is longer than an address',
      service('    persistence: { netmask: 33 }\n    servers: []'),
      '4:29: services[0].persistence.netmask: must be a prefix length of 1..32, got 33',
    ),
    row(
      'a port that would never be used',
      'services:\n  - name: web\n    listen: tcp://10.9.0.1\n    persistence: {}\n    servers: [10.2.1.2:80]',
      '5:15: services[0].servers[0]: must have port 0, got "10.2.1.2:80"; a persistent service on every port, or of a mark, keeps the port the client asked for',
    ),
    row(
      'one packet of TCP',
      service('    one_packet: true\n    servers: []'),
      '4:17: services[0].one_packet: must be false while services[0].listen is not udp://, got true; make a service of its own for UDP',
    ),
    row(
      'calls of TCP',
      service('    persistence: { engine: sip }\n    servers: []'),
      '4:28: services[0].persistence.engine: must be none while services[0].listen is not udp://, got "sip"; make a service of its own for UDP',
    ),
    row(
      'a mark whose calls are all TCP',
      'services: [{ name: a, mark: 7, persistence: { engine: sip }, servers: [] }]\nmarks: [{ mark: 7, listen: ["tcp://10.9.0.1:80"] }]\n',
      '1:55: services[0].persistence.engine: must be none while marks[0].listen[0] is not udp://, got "sip"; make a service of its own for UDP',
    ),
    row(
      'an engine there is not',
      service('    persistence: { engine: rtp }\n    servers: []'),
      '4:28: services[0].persistence.engine: must be one of none, sip, got "rtp"',
    ),
    row(
      'a mark of nothing',
      service('    mark: -1\n    servers: []'),
      '4:11: services[0].mark: must be 0..4294967295, got -1',
    ),
    row(
      'a mark twice',
      service(
        '    mark: 7\n    servers: []\n  - { name: b, listen: tcp://10.9.0.2:1, mark: 7, servers: [] }',
      ),
      '6:48: services[1].mark: must differ from services[0].mark, got 7; list all of it in one service',
    ),
    row(
      'a misspelt key',
      service('    schedular: rr\n    servers: []'),
      '4:5: services[0].schedular: must be a known key, got "schedular"; did you mean "scheduler"?',
    ),
    row(
      'a timeout in milliseconds',
      service('    servers: []\n    timeouts: { udp: 250ms }'),
      '5:22: services[0].timeouts.udp: must be 1s..30d in whole seconds, got "250ms"',
    ),
    row(
      'a timeout of nothing',
      service('    servers: []\n    timeouts: { udp: 0 }'),
      '5:22: services[0].timeouts.udp: must be 1s..30d in whole seconds, got 0',
    ),
    row(
      'a timeout of a month and more',
      service('    servers: []\n    timeouts: { udp: 31d }'),
      '5:22: services[0].timeouts.udp: must be 1s..30d in whole seconds, got "31d"',
    ),
    row(
      'a timeout in words',
      service('    servers: []\n    timeouts: { udp: soon }'),
      `5:22: services[0].timeouts.udp: must be a duration of 1s..30d in whole seconds, got "soon"; ${timeoutHint}`,
    ),
    row(
      'a timeout that is a list',
      service('    servers: []\n    timeouts: { udp: [1] }'),
      `5:22: services[0].timeouts.udp: must be a duration of 1s..30d in whole seconds, got a list; ${timeoutHint}`,
    ),
    row(
      'a timeout for a state there is not',
      service('    servers: []\n    timeouts: { tcp_estab: 1 }'),
      '5:17: services[0].timeouts.tcp_estab: must be a known key, got "tcp_estab"; known here: tcp_established, tcp_syn_recv, tcp_syn_sent, tcp_fin_wait, tcp_time_wait, tcp_close, tcp_close_wait, tcp_last_ack, udp, sctp_established',
    ),
  ],
  'where it listens': [
    row(
      'no protocol',
      'services: [{ name: a, listen: 10.9.0.1:80, servers: [] }]',
      `1:31: services[0].listen: ${listenForm}, got "10.9.0.1:80"; write tcp://10.9.0.1:80 or udp://10.9.0.1:80`,
    ),
    row(
      'another protocol',
      'services: [{ name: a, listen: dccp://10.9.0.1:80, servers: [] }]',
      '1:31: services[0].listen: must start with tcp://, udp:// or sctp://, got "dccp://10.9.0.1:80"',
    ),
    row(
      'no port',
      'services: [{ name: a, listen: tcp://10.9.0.1, servers: [] }]',
      '1:31: services[0].listen: must have a port, got "tcp://10.9.0.1"; every port of an address is for services with persistence: {} or a mark',
    ),
    row(
      'port 0',
      'services: [{ name: a, listen: tcp://10.9.0.1:0, servers: [] }]',
      '1:31: services[0].listen: must have a port, got "tcp://10.9.0.1:0"; every port of an address is for services with persistence: {} or a mark',
    ),
    row(
      'port 65536',
      'services: [{ name: a, listen: tcp://10.9.0.1:65536, servers: [] }]',
      '1:31: services[0].listen: must have a port of 0..65535, got "tcp://10.9.0.1:65536"',
    ),
    row(
      'an empty list',
      'services: [{ name: a, listen: [], servers: [] }]',
      '1:31: services[0].listen: must have at least one item, got an empty list',
    ),
    row(
      'a number in the list',
      'services: [{ name: a, listen: [80], servers: [] }]',
      '1:32: services[0].listen[0]: must be text like tcp://10.9.0.1:80, got 80',
    ),
    row(
      'a map',
      'services: [{ name: a, listen: { port: 80 }, servers: [] }]',
      '1:31: services[0].listen: must be text like tcp://10.9.0.1:80 or a list of such, got a map',
    ),
    row(
      'the same place twice',
      'services: [{ name: a, listen: [tcp://10.9.0.1:80, tcp://10.9.0.1:080], servers: [] }]',
      '1:51: services[0].listen[1]: must differ from services[0].listen[0], got "tcp://10.9.0.1:080"; one service listens on a protocol, address and port',
    ),
    row(
      'the place of another service',
      `${withServers('[]')}  - { name: b, listen: tcp://10.9.0.1:80, servers: [] }`,
      '5:24: services[1].listen: must differ from services[0].listen, got "tcp://10.9.0.1:80"; one service listens on a protocol, address and port',
    ),
    row(
      'both families',
      'services: [{ name: a, listen: [tcp://10.9.0.1:80, "tcp://[2001:db8::1]:80"], servers: [] }]',
      '1:51: services[0].listen[1]: must be IPv4 like services[0].listen[0], got "tcp://[2001:db8::1]:80"; make a service of its own for IPv6',
    ),
    row(
      'every address',
      'services: [{ name: a, listen: tcp://0.0.0.0:80, servers: [] }]',
      '1:31: services[0].listen: must be a unicast address, got "tcp://0.0.0.0:80"; an unspecified address cannot be a VIP',
    ),
    row(
      'loopback',
      'services: [{ name: a, listen: "tcp://[::1]:80", servers: [] }]',
      '1:31: services[0].listen: must be a unicast address, got "tcp://[::1]:80"; a loopback address cannot be a VIP',
    ),
    row(
      'class E, which the dataplane does not forward',
      'services: [{ name: a, listen: tcp://240.0.0.5:80, servers: [] }]',
      '1:31: services[0].listen: must be a unicast address, got "tcp://240.0.0.5:80"; a reserved address cannot be a VIP',
    ),
    row(
      'multicast',
      'services: [{ name: a, listen: udp://224.0.0.5:80, servers: [] }]',
      '1:31: services[0].listen: must be a unicast address, got "udp://224.0.0.5:80"; a multicast address cannot be a VIP',
    ),
    row(
      'broadcast',
      'services: [{ name: a, listen: udp://255.255.255.255:80, servers: [] }]',
      '1:31: services[0].listen: must be a unicast address, got "udp://255.255.255.255:80"; a broadcast address cannot be a VIP',
    ),
    row(
      'link-local',
      'services: [{ name: a, listen: "tcp://[fe80::1]:80", servers: [] }]',
      '1:31: services[0].listen: must be a unicast address, got "tcp://[fe80::1]:80"; a link-local address cannot be a VIP',
    ),
    row(
      'IPv4 in IPv6',
      'services: [{ name: a, listen: "tcp://[::ffff:10.0.0.1]:80", servers: [] }]',
      '1:31: services[0].listen: must be a unicast address, got "tcp://[::ffff:10.0.0.1]:80"; an IPv4-mapped address cannot be a VIP',
    ),
  ],
  marks: [
    row('no list', `services: []\nmarks: {}\n`, '2:8: marks: must be a list, got a map; write [] for none'),
    row(
      'nothing in it',
      'services: []\nmarks: [{}]\n',
      '2:9: marks[0].mark: must be given, got nothing; write "mark: 1"',
      '2:9: marks[0].listen: must be given, got nothing; write "listen: tcp://10.9.0.1:80"',
    ),
    row(
      'number 0',
      'services: []\nmarks: [{ mark: 0, listen: tcp://10.9.0.1:80 }]\n',
      '2:17: marks[0].mark: must be 1..4294967295, got 0',
    ),
    row(
      'no place, and one that cannot be',
      'services: []\nmarks: [{ mark: 1, listen: [] }, { mark: 2, listen: icmp://10.9.0.1:0 }]\n',
      '2:28: marks[0].listen: must have at least one item, got an empty list',
      '2:53: marks[1].listen: must start with tcp://, udp:// or sctp://, got "icmp://10.9.0.1:0"',
    ),
    row(
      'an address nobody can have, told once',
      marked('- { mark: 7, listen: tcp://127.0.0.1:80 }'),
      '3:22: marks[0].listen: must be a unicast address, got "tcp://127.0.0.1:80"; a loopback address cannot be a VIP',
    ),
    row(
      'both families in one rule',
      marked(
        '- { mark: 7, listen: [tcp://10.9.0.1:80, "tcp://[2001:db8::1]:80"] }',
        'mark: 8, listen: tcp://10.9.0.9:1, servers: []',
      ),
      '3:42: marks[0].listen[1]: must be of the address family of marks[0].listen[0], got "tcp://[2001:db8::1]:80"; write a rule of its own, with the same mark',
    ),
    row(
      'two rules of one family',
      'services: []\nmarks:\n- { mark: 7, listen: tcp://10.9.0.1:80 }\n- { mark: 7, listen: tcp://10.9.0.2:80 }\n',
      '4:11: marks[1].mark: must differ from marks[0].mark, got 7; list all of it in one rule',
    ),
    row(
      'one place with two marks',
      'services: []\nmarks:\n- { mark: 7, listen: tcp://10.9.0.1:80 }\n- { mark: 8, listen: tcp://10.9.0.1:80 }\n',
      '4:22: marks[1].listen: must differ from marks[0].listen, got "tcp://10.9.0.1:80"; a packet carries one mark',
    ),
    row(
      'a service of no rule',
      marked('- { mark: 8, listen: tcp://10.9.0.1:80 }'),
      '1:12: services[0].listen: must be given, got nothing; mark 7 has no rule for this address family under marks; write "- { mark: 7, listen: [tcp://10.9.0.1:80] }" there, or listen here',
    ),
    row(
      'a service of the other family',
      marked('- { mark: 7, listen: tcp://10.9.0.1:80 }', 'mark: 7, servers: ["[2001:db8::2]:0"]'),
      '1:12: services[0].listen: must be given, got nothing; mark 7 has no rule for this address family under marks; write "- { mark: 7, listen: [tcp://10.9.0.1:80] }" there, or listen here',
    ),
    row(
      'a service of either family',
      marked('- { mark: 7, listen: tcp://10.9.0.1:80 }\n- { mark: 7, listen: "tcp://[2001:db8::1]:80" }'),
      '1:12: services[0].listen: must be given, got nothing; marks[0] and marks[1] both fit a service without servers',
    ),
    row(
      'a service that says otherwise',
      marked('- { mark: 7, listen: tcp://10.9.0.1:80 }', 'mark: 7, listen: tcp://10.9.0.1:81, servers: []'),
      '1:40: services[0].listen: must be left out, or be what marks[0].listen is, got "tcp://10.9.0.1:81"; mark 7 is explained there',
    ),
    row(
      'a service with the place of another mark',
      marked('- { mark: 8, listen: tcp://10.9.0.1:80 }', 'mark: 7, listen: tcp://10.9.0.1:80, servers: []'),
      '1:29: services[0].mark: must be 8, got 7; marks[0].listen gives the packets of this service that mark',
    ),
    row(
      'a place that two services of marks want',
      'services: [{ name: a, listen: tcp://10.9.0.1:80, mark: 1, servers: [] }, { name: b, listen: tcp://10.9.0.1:80, mark: 2, servers: [] }]',
      '1:93: services[1].listen: must differ from services[0].listen, got "tcp://10.9.0.1:80"; one service listens on a protocol, address and port',
    ),
  ],
  'a server': [
    row(
      'none given',
      service('    servers:'),
      '4:5: services[0].servers: must be a list, got nothing; write [] for none',
    ),
    row(
      'text for the list',
      withServers('10.2.1.2:8080'),
      '4:14: services[0].servers: must be a list, got "10.2.1.2:8080"; write [] for none',
    ),
    row(
      'no port',
      withServers('[10.2.1.2]'),
      `4:15: services[0].servers[0]: ${endpointForm}, got "10.2.1.2"; add a port: 10.2.1.2:80`,
    ),
    row(
      'a port below 0',
      withServers('[10.2.1.2:-1]'),
      '4:15: services[0].servers[0]: must have a port of 0..65535, got "10.2.1.2:-1"',
    ),
    row(
      'a port too great',
      withServers('[{ address: 10.2.1.2:70000 }]'),
      '4:26: services[0].servers[0].address: must have a port of 0..65535, got "10.2.1.2:70000"',
    ),
    row(
      'a host name',
      withServers('[web1:80]'),
      `4:15: services[0].servers[0]: ${endpointForm}, got "web1:80"`,
    ),
    row(
      'leading zeros',
      withServers('[10.2.1.02:80]'),
      `4:15: services[0].servers[0]: ${endpointForm}, got "10.2.1.02:80"`,
    ),
    row(
      'a zone',
      withServers('["[fe80::1%eth0]:80"]'),
      `4:15: services[0].servers[0]: ${endpointForm}, got "[fe80::1%eth0]:80"; leave out the zone (% and what follows)`,
    ),
    row(
      'a number',
      withServers('[8080]'),
      '4:15: services[0].servers[0]: must be text like 10.2.1.2:8080 or a map with address, weight, …, got 8080',
    ),
    row(
      'a list',
      withServers('[[10.2.1.2:80]]'),
      '4:15: services[0].servers[0]: must be text like 10.2.1.2:8080 or a map with address, weight, …, got a list',
    ),
    row(
      'a space after the colon',
      withServers('[{ 10.2.1.2: 80 }]'),
      '4:15: services[0].servers[0].address: must be given, got nothing; write "address: 10.2.1.2:8080"',
      '4:17: services[0].servers[0]["10.2.1.2"]: must be a known key, got "10.2.1.2"; known here: address, weight, max_connections, resume_connections, routed, backup, disabled, health',
    ),
    row(
      'a weight in quotes',
      withServers('[{ address: 10.2.1.2:80, weight: "3" }]'),
      '4:47: services[0].servers[0].weight: must be 0..65535, got "3"; write the number without quotes',
    ),
    row(
      'a negative weight',
      withServers('[{ address: 10.2.1.2:80, weight: -1 }]'),
      '4:47: services[0].servers[0].weight: must be 0..65535, got -1',
    ),
    row(
      'a weight too great',
      withServers('[{ address: 10.2.1.2:80, weight: 65536 }]'),
      '4:47: services[0].servers[0].weight: must be 0..65535, got 65536',
    ),
    row(
      'half a weight',
      withServers('[{ address: 10.2.1.2:80, weight: 0.5 }]'),
      '4:47: services[0].servers[0].weight: must be 0..65535, got 0.5',
    ),
    row(
      'a weight that is no number',
      withServers('[{ address: 10.2.1.2:80, weight: .nan }]'),
      '4:47: services[0].servers[0].weight: must be 0..65535, got NaN',
    ),
    row(
      'a misspelt key',
      withServers('[{ address: 10.2.1.2:80, wieght: 3 }]'),
      '4:39: services[0].servers[0].wieght: must be a known key, got "wieght"; did you mean "weight"?',
    ),
    row(
      'a server twice',
      withServers('[10.2.1.2:80, { address: 10.2.1.2:80 }]'),
      '4:39: services[0].servers[1].address: must differ from services[0].servers[0], got "10.2.1.2:80"; raise the weight of one instead',
    ),
    row(
      'two spellings of a server',
      'services: [{ name: a, listen: "tcp://[2001:db8::1]:80", servers: ["[2001:db8::2]:80", "[2001:DB8:0::2]:80"] }]',
      '1:87: services[0].servers[1]: must differ from services[0].servers[0], got "[2001:DB8:0::2]:80"; raise the weight of one instead',
    ),
    row(
      'the other family',
      withServers('["[2001:db8::2]:80"]'),
      '4:15: services[0].servers[0]: must be IPv4 like services[0].listen, got "[2001:db8::2]:80"; make a service of its own for IPv6',
    ),
    row(
      'a VIP',
      withServers('[10.9.0.1:8080]'),
      '4:15: services[0].servers[0]: must not be a VIP, got "10.9.0.1:8080"; services[0].listen listens on it; a real server has an address of its own',
    ),
    row(
      'the VIP of another service',
      `${withServers('[10.9.0.2:80]')}  - { name: b, listen: tcp://10.9.0.2:80, servers: [] }`,
      '4:15: services[0].servers[0]: must not be a VIP, got "10.9.0.2:80"; services[1].listen listens on it; a real server has an address of its own',
    ),
    row(
      'loopback',
      withServers('[127.0.0.1:80]'),
      '4:15: services[0].servers[0]: must be a unicast address, got "127.0.0.1:80"; a loopback address cannot be the address of a real server',
    ),
    row(
      'nowhere',
      withServers('[0.0.0.0:80]'),
      '4:15: services[0].servers[0]: must be a unicast address, got "0.0.0.0:80"; an unspecified address cannot be the address of a real server',
    ),
    row(
      'a lower threshold alone',
      withServers('[{ address: 10.2.1.2:80, resume_connections: 5 }]'),
      '4:59: services[0].servers[0].resume_connections: must come with max_connections, got 5; give that as well, or leave out both',
    ),
    row(
      'thresholds the wrong way round',
      withServers('[{ address: 10.2.1.2:80, max_connections: 4, resume_connections: 5 }]'),
      '4:79: services[0].servers[0].resume_connections: must be at most max_connections, 4, got 5',
    ),
    row(
      'a maximum in words',
      withServers('[{ address: 10.2.1.2:80, max_connections: many }]'),
      '4:56: services[0].servers[0].max_connections: must be 0..4294967295, got "many"',
    ),
    row(
      'routed: yes',
      withServers('[{ address: 10.2.1.2:80, routed: yes }]'),
      '4:47: services[0].servers[0].routed: must be true or false, got "yes"',
    ),
  ],
  'the rest': [
    row('no queues', withTop('tun: { queues: 0 }'), '2:16: tun.queues: must be auto or 1..256, got 0'),
    row(
      'too many queues',
      withTop('tun: { queues: 257 }'),
      '2:16: tun.queues: must be auto or 1..256, got 257',
    ),
    row(
      'queues in quotes',
      withTop('tun: { queues: "2" }'),
      '2:16: tun.queues: must be auto or 1..256, got "2"; write the number without quotes',
    ),
    row(
      'a device name too long',
      withTop('tun: { name: vsnat-production }'),
      '2:14: tun.name: must be 1..15 letters, digits, dots, dashes or underscores, a letter or digit first, and not lo, all or default, got "vsnat-production"',
    ),
    row(
      'a device name with a slash',
      withTop('tun: { name: a/b }'),
      '2:14: tun.name: must be 1..15 letters, digits, dots, dashes or underscores, a letter or digit first, and not lo, all or default, got "a/b"',
    ),
    row(
      'a device name the kernel uses',
      withTop('tun: { name: all }'),
      '2:14: tun.name: must be 1..15 letters, digits, dots, dashes or underscores, a letter or digit first, and not lo, all or default, got "all"',
    ),
    row(
      'a device that stays',
      withTop('tun: { persist: true }'),
      '2:17: tun.persist: must be false, got true; a device that outlives the daemon is not supported in this version yet',
    ),
    row(
      'an MTU too small for IPv6',
      withTop('tun: { mtu: 1279 }'),
      '2:13: tun.mtu: must be 1280..65535, got 1279',
    ),
    row(
      'offload: on',
      withTop('tun: { offload: on }'),
      '2:17: tun.offload: must be one of auto, off, got "on"',
    ),
    row(
      'a small table',
      withTop('flows: { capacity: 1023 }'),
      '2:20: flows.capacity: must be 1024..67108864, got 1023; write a number, 256k or 1M',
    ),
    row(
      'a table in words',
      withTop('flows: { capacity: big }'),
      '2:20: flows.capacity: must be 1024..67108864, got "big"; write a number, 256k or 1M',
    ),
    row(
      'a relative socket',
      withTop('admin: { socket: vsnat.sock }'),
      '2:18: admin.socket: must be an absolute path of at most 107 bytes, got "vsnat.sock"',
    ),
    row(
      'a socket path in many bytes',
      withTop(`admin: { socket: /${'é'.repeat(60)} }`),
      `2:18: admin.socket: must be an absolute path of at most 107 bytes, got "/${'é'.repeat(59)}…"`,
    ),
    row(
      'metrics on a port alone',
      withTop('metrics: { listen: ":9191" }'),
      '2:20: metrics.listen: must be off or address:port like 127.0.0.1:9191, got ":9191"; write 0.0.0.0:9191 for every address',
    ),
    row(
      'metrics: false',
      withTop('metrics: { listen: false }'),
      '2:20: metrics.listen: must be off or address:port like 127.0.0.1:9191, got false',
    ),
    row(
      'metrics where a service listens',
      `${withServers('[]')}metrics: { listen: 10.9.0.1:80 }`,
      '5:20: metrics.listen: must not be where services[0].listen listens, got "10.9.0.1:80"; choose another port',
    ),
    row(
      'a log level',
      withTop('log: { level: warning }'),
      '2:15: log.level: must be one of trace, debug, info, warn, error, fatal, got "warning"',
    ),
    row(
      'everything commented out',
      withTop('log:\n#  level: debug'),
      '2:1: log: must be a map, got nothing; give it a value or leave it out',
    ),
    row(
      'a sysctl beyond its range',
      withTop('ipvs: { drop_entry: 4 }'),
      '2:21: ipvs.drop_entry: must be 0..3, got 4',
    ),
    row(
      'a sysctl that is on or off',
      withTop('ipvs: { sloppy_tcp: true }'),
      '2:21: ipvs.sloppy_tcp: must be 0 or 1, got true',
    ),
    row(
      'a sysctl without a meaning here',
      withTop('ipvs: { sync_ports: 4 }'),
      '2:21: ipvs.sync_ports: must be 1, got 4; connections are not synchronised with another director',
    ),
    row(
      'a threshold of synchronisation',
      withTop('ipvs: { sync_threshold: 3 60 }'),
      '2:25: ipvs.sync_threshold: must be 3 50, got "3 60"; connections are not synchronised with another director',
    ),
    row(
      "a sysctl of the kernel's next table",
      withTop('ipvs: { conn_max: 9 }'),
      "2:9: ipvs.conn_max: must be left out, got 9; the kernel's conn_max is not supported in this version yet",
    ),
    row(
      'a misspelt sysctl',
      withTop('ipvs: { drop_packets: 3 }'),
      '2:9: ipvs.drop_packets: must be a known key, got "drop_packets"; did you mean "drop_packet"?',
    ),
    row(
      'expire_nodest_conn of another kind',
      withTop('ipvs: { expire_nodest_conn: 2 }'),
      '2:29: ipvs.expire_nodest_conn: must be auto, 0 or 1, got 2',
    ),
    row(
      "the kernel's word and vsnat's own that contradict it",
      withTop('ipvs: { removed_servers: reset, expire_nodest_conn: 0 }'),
      '2:26: ipvs.removed_servers: must be silent with expire_nodest_conn: 0, got "reset"; leave one of them out',
    ),
    row(
      "vsnat's word and the kernel's that contradicts it",
      withTop('ipvs: { expire_nodest_conn: 1, removed_servers: silent }'),
      '2:49: ipvs.removed_servers: must be reset with expire_nodest_conn: 1, got "silent"; leave one of them out',
    ),
    row(
      'control characters',
      withTop('log: { level: "\\e[2J\\x7f" }'),
      '2:15: log.level: must be one of trace, debug, info, warn, error, fatal, got "\\u001b[2J\\u007f"',
    ),
  ],
};

function complaints(text: string): string[] {
  try {
    parseConfig(text, { file: 'f' });
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
  return [];
}

for (const [subject, rows] of Object.entries(tables)) {
  describe(subject, () => {
    test.each(rows)('$name', ({ text, lines }) => {
      expect(complaints(text)).toEqual(lines.map((line) => `f:${line}`));
    });
  });
}

test('mistakes of every kind are reported in one run, in the order of the file', () => {
  const text = `services:
  - name: web
    listen: tcp://10.9.0.1:80
    scheduler: wlcc
    servers:
      - 10.2.1.2:8080
      - { address: 127.0.0.1:80, wieght: 3 }
      - 10.2.1.2:8080
tun: { queues: many }
tun: {}
`;
  expect(complaints(text).map((line) => line.split(': ').slice(0, 2).join(': '))).toEqual([
    'f:4:16: services[0].scheduler',
    'f:7:20: services[0].servers[1].address',
    'f:7:34: services[0].servers[1].wieght',
    'f:8:9: services[0].servers[2]',
    'f:9:16: tun.queues',
    'f:10:1: tun',
  ]);
});

test('mh refuses more servers than it has slots', () => {
  const servers = Array.from({ length: 4094 }, (_, index) => `10.2.${index >> 8}.${index & 255}:80`);
  const text = service(`    scheduler: mh\n    servers: [${servers.join(', ')}]`);
  expect(complaints(text)).toEqual([
    'f:5:14: services[0].servers: must have at most 4093 servers with mh, got a list; use wlc, or two services',
  ]);
});

test('problems are data as well as text', () => {
  const parse = (): unknown => parseConfig('services: {}', { file: '/etc/vsnat.yaml' });
  expect(parse).toThrow(
    expect.objectContaining({
      code: 'VSNAT_CONFIG_INVALID',
      problems: [
        {
          file: '/etc/vsnat.yaml',
          line: 1,
          column: 11,
          path: 'services',
          message: 'must be a list, got a map; write [] for none',
        },
      ],
    }) as Error,
  );
});
