// SPDX-License-Identifier: Apache-2.0
/** What the packet path noticed, as TypeScript reads it. What it notices, and when, is tested in test/native/nat. */
import { describe, expect, it } from 'vitest';

import type { ServerCounters } from '../../src/dataplane/dataplane.js';
import type { Engine } from '../../src/dataplane/native.js';
import { latencyBounds, noSignals } from '../../src/dataplane/signals.js';
import { decodeSigns, watchSigns, type ServerSigns, type SignsWatch } from '../../src/dataplane/signs.js';
import { tcp, tcpFlag } from './segments.js';
import { addon, countersOf, memoryOptions, oneService } from './support.js';

const client = { from: '198.51.100.7', fromPort: 4000, to: '192.0.2.10', toPort: 80 };
const server = { from: '10.0.0.1', fromPort: 8080, to: '198.51.100.7', toPort: 4000 };

function only(servers: readonly ServerCounters[], slot: number): ServerCounters {
  const found = servers.find((one) => one.slot === slot);
  if (found === undefined) throw new Error(`no server in slot ${slot}`);
  return found;
}

describe('signals of the addon', () => {
  it('have the bounds TypeScript believes in', () => {
    expect(addon.latencyBounds?.()).toEqual(latencyBounds);
  });

  it('arrive at the server they are about, under their names', () => {
    const engine = new addon.Engine(memoryOptions);
    engine.publish(oneService);
    const at = (nowMs: number, packet: Uint8Array) => engine.process({ packet, nowMs });
    at(0, tcp({ ...client, flags: tcpFlag.syn, seq: 100 }));
    at(3, tcp({ ...server, flags: tcpFlag.syn | tcpFlag.ack, seq: 500, ack: 101 }));
    at(4, tcp({ ...client, flags: tcpFlag.ack, seq: 101, ack: 501 }));
    at(5, tcp({ ...server, flags: tcpFlag.rst, seq: 501 }));
    const { servers } = countersOf(engine);
    const { signals, connections } = only(servers, 0);
    const counts = latencyBounds.map((bound) => (bound === 0.005 ? 1 : 0)).concat(0);
    expect(connections).toBe(1);
    expect(JSON.parse(JSON.stringify(signals))).toEqual({
      ...noSignals,
      handshake: { counts, count: 1, sum: 0.003 },
      resets: 1,
    });
    expect(only(servers, 1).signals).toBe(noSignals);
    engine.close();
  });
});

describe('signs of the addon', () => {
  const look = (engine: Engine, watch: SignsWatch): Map<number, ServerSigns> => {
    const rows = new Map<number, ServerSigns>();
    decodeSigns(engine.signs(watch.slots, watch.seen), (place, signs) => rows.set(place, signs));
    return rows;
  };

  it('are those of the counters, of servers with packets since the last look', () => {
    const engine = new addon.Engine(memoryOptions);
    engine.publish(oneService);
    const watch = watchSigns([1, 0, 999_999]);
    expect(look(engine, watch)).toEqual(new Map());
    const at = (nowMs: number, packet: Uint8Array) => engine.process({ packet, nowMs });
    at(0, tcp({ ...client, flags: tcpFlag.syn, seq: 100 }));
    at(1000, tcp({ ...client, flags: tcpFlag.syn, seq: 100 }));
    const none = { connections: 1, answers: 0, repeated: 1, refused: 0, resets: 0, unreachable: 0 };
    expect(look(engine, watch)).toEqual(new Map([[1, none]]));
    expect(look(engine, watch)).toEqual(new Map());
    at(1001, tcp({ ...server, flags: tcpFlag.syn | tcpFlag.ack, seq: 500, ack: 101 }));
    at(1002, tcp({ ...server, flags: tcpFlag.rst, seq: 501 }));
    expect(look(engine, watch)).toEqual(new Map([[1, { ...none, answers: 1, resets: 1 }]]));
    engine.close();
  });

  it('refuse what is no watch', () => {
    const engine = new addon.Engine(memoryOptions);
    expect(() => engine.signs([] as never, new Float64Array())).toThrow('signs: needs slots as Uint32Array');
    engine.close();
  });
});
