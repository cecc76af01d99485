// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

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
