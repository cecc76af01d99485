// SPDX-License-Identifier: Apache-2.0
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
  - { name: dns, listen: udp://10.9.0.3:53, one_packet: true, servers: [] }
marks: [{ mark: 7, listen: [tcp://10.9.0.2, udp://10.9.0.2:53] }, { mark: 9, listen: "tcp://[2001:db8::1]:80" }]
tun: { name: v0, queues: 2, offload: off, mtu: 1500, steering: random }
flows: { capacity: 4k }
admin: { socket: /tmp/v.sock }
metrics: { listen: off }
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
      'services[4].name must differ from services[0].name',
      'services[4].listen[0] must differ from services[0].listen[0]',
      'services[4].servers[0].address must not be a VIP',
    ]);
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
