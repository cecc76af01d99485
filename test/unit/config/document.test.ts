// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';

import { documentOf, parseConfig, problemsOf, unreachable } from '../../../src/config/index.js';
import { realServer, virtualService } from '../../../src/model/index.js';

const everything = `
services:
  - name: web
    listen: [tcp://10.9.0.1:80, udp://10.9.0.1:80]
    scheduler: mh
    flags: [mh-port]
    timeouts: { udp: 10s, tcp_established: 2h }
    servers: [10.2.1.2:8080, { address: 10.2.1.3:8080, weight: 0, max_connections: 9, resume_connections: 3, routed: true }]
  - { name: six, listen: "tcp://[2001:db8::1]:80", servers: ["[2001:db8::2]:80"], persistence: { netmask: 64 } }
  - { name: group, listen: [tcp://10.9.0.2, udp://10.9.0.2:53], mark: 7, persistence: { timeout: 60, netmask: 255.0.255.1 }, servers: [10.2.1.2:0] }
  - { name: dns, listen: udp://10.9.0.3:53, one_packet: true, servers: [], health: off }
  - name: watched
    listen: tcp://10.9.0.4:80
    health:
      - { type: tcp, interval: 500ms, jitter: 7%, source: 10.2.1.1, passive: false }
      - { type: http, path: /up, host: a.example, headers: { X-Probe: "1" }, expect: "200-299, 404", body: "^ok|fine$" }
      - { type: https, port: 443, tls: { server_name: b.example, verify: false }, through: direct, expect: 204 }
      - { type: dns, name: c.example, record: AAAA, transport: tcp, expect: [NOERROR, NXDOMAIN], answer: "2001:db8::9" }
      - { type: udp, send: "base64:AAH/", expect: pong, rise: 1, fall: 5 }
      - { type: icmp, interval: 1m, fast_interval: 10s, timeout: 250ms }
      - { type: exec, command: ["true", -x], interval: 10 }
      - { type: agent, port: 9000, send: "state\\n" }
      - { type: module, file: ./package.json, options: { limits: [1, { a: b }] } }
    slow_start: { duration: 1m, from: 5.5%, curve: 2 }
    drain: { deadline: 90s, then: silence }
    quorum: { weight: 3, hysteresis: 1 }
    sorry_server: [10.2.9.9:80, { address: 10.2.9.8:80, weight: 2 }]
    servers: [10.2.1.2:80, { address: 10.2.1.3:80, backup: true, disabled: true, health: off }]
marks: [{ mark: 7, listen: [tcp://10.9.0.2, udp://10.9.0.2:53] }, { mark: 9, listen: "tcp://[2001:db8::1]:80" }]
tun: { name: v0, queues: 2, offload: off, mtu: 1500, steering: random, ingress: route, egress: route }
flows: { capacity: 4k }
admin: { socket: /tmp/v.sock, mode: "0600", group: 4, listen: "[::1]:9192", tls: { certificate: c, key: k, client_ca: ca }, run_time_changes: keep }
metrics: { listen: off, node_ipvs: true, max_series: 200 }
log: { level: warn, format: json }
ipvs: { removed_servers: silent, one_packet_replies: pass, drop_packet: 3, am_droprate: 2, lblcr_expiration: 60 }
`;

describe('the document of a model', () => {
  const kernels = 'services: []\nipvs: { expire_nodest_conn: 0 }';
  it.each([everything, 'services: []', kernels])('makes the same model again', (text) => {
    const { model } = parseConfig(text);
    expect(parseConfig(stringify(documentOf(model))).model).toEqual(model);
  });
});

describe('a model made by other means', () => {
  const { model } = parseConfig(everything);

  it('has no problems when a file could have made it', () => expect(problemsOf(model)).toEqual([]));

  it('has the problems that its file would have', () => {
    const twice = virtualService({ name: 'web', listen: 'tcp://10.9.0.1:80', servers: ['10.9.0.1:81'] });
    const found = problemsOf({ ...model, services: [...model.services, twice] });
    expect(found.map(({ path, message }) => `${path} ${message.split(',')[0] ?? ''}`)).toEqual([
      'services[5].name must differ from services[0].name',
      'services[5].listen[0] must differ from services[0].listen[0]',
      'services[5].servers[0].address must not be a VIP',
    ]);
  });
});

describe('a model that was changed a little', () => {
  const before = parseConfig(everything).model;
  const listens = ['tcp://10.9.0.1:80', 'udp://10.9.0.2:53', 'tcp://10.9.0.9:1', 'tcp://[2001:db8::1]:81'];
  const addresses = ['10.2.1.2:8080', '10.9.0.1:1', '10.9.0.9:1', '[2001:db8::1]:5', '10.2.9.9:80'];
  const service = fc
    .record({
      name: fc.constantFrom('web', 'six', 'new', 'newer'),
      listen: fc.subarray(listens, { minLength: 1 }),
      servers: fc.array(fc.constantFrom(...addresses), { maxLength: 3 }),
      mark: fc.constantFrom(0, 7, 8),
    })
    .map(({ mark, ...rest }) => virtualService({ ...rest, ...(mark === 0 ? {} : { mark }) }));
  const edit = fc.record({
    at: fc.nat(6),
    removes: fc.nat(1),
    service: fc.option(service, { nil: undefined }),
  });

  it('has the problems that a look at all of it would find', () => {
    let bad = 0;
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        const services = [...before.services];
        for (const one of edits)
          services.splice(one.at, one.removes, ...(one.service === undefined ? [] : [one.service]));
        const after = { ...before, services };
        const all = problemsOf(after);
        expect(problemsOf(after, before)).toEqual(all);
        bad += all.length === 0 ? 0 : 1;
      }),
      { numRuns: 300 },
    );
    expect(bad).toBeGreaterThan(20);
  });
});

describe('servers out of reach', () => {
  it('are those in no subnet of the host, vouched for or not, each once', () => {
    const host = { prefixes: [{ prefix: '10.2.1.1/24', interface: 'eth1' }] };
    const servers = [
      realServer('10.2.1.9:80'),
      realServer('192.0.2.1:80', { routed: true }),
      realServer('192.0.2.1:80'),
      realServer('[2001:db8::1]:80'),
    ];
    expect(unreachable(servers, host)).toEqual(['192.0.2.1:80', '[2001:db8::1]:80']);
  });
});
