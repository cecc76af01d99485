// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { parseConfig } from '../../../src/config/index.js';
import { describeChange, diffModels, withoutRestart } from '../../../src/director/diff.js';
import { realServer, virtualService, type Model } from '../../../src/model/index.js';
import { emptyModel, idOf, modelWith, web } from './models.js';

const lines = (running: Model | null, wanted: Model): string[] =>
  diffModels(running, wanted).map(describeChange);

describe('the difference between two configurations', () => {
  it('is nothing when they say the same', () => {
    expect(lines(modelWith(web('a b:3')), modelWith(web('a b:3')))).toEqual([]);
  });

  it('lists services and servers of the first configuration as added', () => {
    expect(lines(null, modelWith(web('a b:3')))).toEqual([
      '+ service web tcp://10.9.0.1:80 wrr',
      `+ server web ${idOf('a')} weight 1`,
      `+ server web ${idOf('b')} weight 3`,
    ]);
  });

  it('names what a removed service was', () => {
    expect(lines(modelWith(web('a')), emptyModel)).toEqual(['- service web']);
  });

  it.each([
    ['a server added', 'a', 'a b', [`+ server web ${idOf('b')} weight 1`]],
    ['a server removed', 'a b', 'b', [`- server web ${idOf('a')}`]],
    ['a weight', 'a b', 'a b:3', [`~ server web ${idOf('b')} weight 1 -> 3`]],
    ['a drained server', 'a:2', 'a:0', [`~ server web ${idOf('a')} weight 2 -> 0`]],
    [
      'another order',
      'a b',
      'b a',
      [`~ service web order ${idOf('a')},${idOf('b')} -> ${idOf('b')},${idOf('a')}`],
    ],
  ])('tells %s', (_, before, after, expected) => {
    expect(lines(modelWith(web(before)), modelWith(web(after)))).toEqual(expected);
  });

  it('tells a helper', () => {
    expect(lines(modelWith(web('a')), modelWith(web('a', { helper: 'ftp' })))).toEqual([
      '~ service web helper none -> ftp',
    ]);
  });

  it('tells a server put in the middle as added, not as another order', () => {
    expect(lines(modelWith(web('a b')), modelWith(web('a c b')))).toEqual([
      `+ server web ${idOf('c')} weight 1`,
    ]);
  });

  it('tells listeners, schedulers with flags, timeouts and thresholds', () => {
    const before = modelWith(web('a', { scheduler: 'sh' }));
    const after = modelWith(
      web('', {
        listen: ['tcp://10.9.0.1:80', 'udp://10.9.0.1:80'],
        scheduler: 'sh',
        flags: ['sh-port'],
        timeouts: { udp: 30 },
        servers: [realServer(idOf('a'), { upperThreshold: 100, lowerThreshold: 50 })],
      }),
    );
    expect(lines(before, after)).toEqual([
      '~ service web listen tcp://10.9.0.1:80 -> tcp://10.9.0.1:80,udp://10.9.0.1:80',
      '~ service web scheduler sh -> sh(sh-port)',
      '~ service web timeout udp 300s -> 30s',
      `~ server web ${idOf('a')} upper threshold 0 -> 100`,
      `~ server web ${idOf('a')} lower threshold 0 -> 50`,
    ]);
  });

  it('says what becomes of connections that belong together', () => {
    const plain = { listen: 'udp://10.9.0.1:53' } as const;
    const before = modelWith(web('a', { ...plain, persistence: {}, mark: 7 }));
    const after = modelWith(
      web('a', { ...plain, persistence: { timeoutSeconds: 60, prefixLength: 24 }, onePacket: true }),
    );
    expect(lines(before, after)).toEqual([
      '~ service web persistence 360s/32 -> 60s/24',
      '~ service web mark 7 -> none',
      '~ service web one packet false -> true',
    ]);
    expect(lines(after, modelWith(web('a', plain)))[0]).toBe('~ service web persistence 60s/24 -> none');
  });

  it('tells health checks key by key, and of what may be secret only that it differs', () => {
    const watched = (check: string, more = ''): Model =>
      parseConfig(
        `services: [{ name: web, listen: tcp://10.9.0.1:80, servers: [10.2.1.2:80], health: ${check}${more} }]`,
      ).model;
    const before = watched('{ type: http, path: /a, headers: { Authorization: secret-one } }');
    expect(lines(before, before)).toEqual([]);
    expect(
      lines(
        before,
        watched(
          '{ type: http, path: /b, interval: 5s, timeout: 1500ms, headers: { Authorization: secret-two } }',
        ),
      ),
    ).toEqual([
      '~ service web health.path /a -> /b',
      '~ service web health.headers (one) -> (another)',
      '~ service web health.interval 2s -> 5s',
      '~ service web health.fast_interval 500ms -> 1250ms',
      '~ service web health.timeout 1s -> 1500ms',
    ]);
    expect(lines(before, watched('[{ type: tcp }, { type: icmp }]'))).toEqual([
      '~ service web health[0] http -> tcp',
      '~ service web health[1] none -> icmp',
    ]);
    expect(lines(before, watched('off'))).toEqual(['~ service web health http -> none']);
  });

  it('tells what becomes of servers that come, go and are too few', () => {
    const of = (keys: string): Model =>
      parseConfig(`services: [{ name: web, listen: tcp://10.9.0.1:80, ${keys} }]`).model;
    const before = of('servers: [10.2.1.2:80, 10.2.1.3:80]');
    const after = of(
      'servers: [{ address: 10.2.1.2:80, disabled: true, health: off }, { address: 10.2.1.3:80, backup: true }, { address: 10.2.1.4:80, backup: true }], ' +
        'slow_start: 30s, drain: { deadline: 60s, then: silence }, quorum: 2, sorry_server: 10.2.9.9:80',
    );
    expect(lines(before, after)).toEqual([
      '~ service web drain {"deadline":"none","then":"reset"} -> {"deadline":"1m","then":"silence"}',
      '~ service web slow_start default -> {"duration":"30s","from":"10%","curve":1}',
      '~ service web quorum default -> {"weight":2,"hysteresis":0}',
      `~ server web 10.2.1.2:80 disabled false -> true`,
      `~ server web 10.2.1.2:80 checked true -> false`,
      `~ server web 10.2.1.3:80 backup false -> true`,
      `+ server web 10.2.1.4:80 weight 1 backup`,
      `+ server web sorry 10.2.9.9:80 weight 1`,
    ]);
  });

  it('opens and moves doors at the next start', () => {
    const of = (keys: string): Model => parseConfig(`services: []\n${keys}`).model;
    const running = of('');
    const wanted = of(
      'admin: { mode: "0600", group: adm, listen: 127.0.0.1:9192, token_file: /t, run_time_changes: keep }\n' +
        'metrics: { listen: off, node_ipvs: true, max_series: 500 }',
    );
    expect(lines(running, wanted)).toEqual([
      '~ setting admin.mode 0660 -> 0600 (at the next start)',
      '~ setting admin.group none -> adm (at the next start)',
      '~ setting admin.listen off -> 127.0.0.1:9192 (at the next start)',
      '~ setting admin.token_file none -> /t (at the next start)',
      '~ setting admin.run_time_changes drop -> keep',
      '~ setting metrics.listen 127.0.0.1:9191 -> off (at the next start)',
      '~ setting metrics.node_ipvs false -> true',
      '~ setting metrics.max_series 10000 -> 500',
    ]);
    const { admin, metrics } = withoutRestart(running, wanted);
    expect(admin).toEqual({ ...running.admin, runTimeChanges: 'keep' });
    expect(metrics).toEqual({ ...wanted.metrics, listen: running.metrics.listen });
  });

  it('marks settings that wait for the next start, and keeps their old value until then', () => {
    const wanted: Model = {
      ...emptyModel,
      tun: { ...emptyModel.tun, queues: 2 },
      log: { level: 'debug', format: 'json' },
      marks: [{ mark: 7, listen: virtualService(web('')).listen }],
      ipvs: {
        removedServers: 'silent',
        onePacketReplies: 'pass',
        expireNodestConn: 0,
        sysctls: { ...emptyModel.ipvs.sysctls, drop_packet: 3 },
      },
    };
    const running: Model = { ...emptyModel, log: { level: 'info', format: 'json' } };
    expect(lines(running, wanted)).toEqual([
      '~ setting marks none -> 7=tcp://10.9.0.1:80',
      '~ setting tun.queues auto -> 2 (at the next start)',
      '~ setting log.level info -> debug',
      '~ setting ipvs.removed_servers reset -> silent',
      '~ setting ipvs.one_packet_replies translate -> pass',
      '~ setting ipvs.expire_nodest_conn auto -> 0',
      '~ setting ipvs.drop_packet 0 -> 3',
    ]);
    const model = withoutRestart(running, wanted);
    expect(model.tun.queues).toBe('auto');
    expect(model.log.level).toBe('debug');
    expect(model.ipvs).toEqual(wanted.ipvs);
  });
});
