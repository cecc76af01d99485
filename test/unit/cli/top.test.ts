// SPDX-License-Identifier: Apache-2.0
/** What `vsnat top` draws, by state and size, and that a terminal gets only what changed and is given back. */
import { EventEmitter } from 'node:events';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Screen } from '../../../src/cli/screen.js';
import { widthOf } from '../../../src/cli/text-width.js';
import { topLines, type Moment, type TopState } from '../../../src/cli/top-view.js';

const standing = {
  place: 'serving',
  health: 'up',
  healthSeconds: 5,
  share: 1,
  effectiveWeight: 1,
  drainSeconds: null,
} as const;

const server = (
  service: string,
  name: string,
  more: Partial<Moment['servers'][number]> = {},
): Moment['servers'][number] => ({
  service,
  server: name,
  weight: 1,
  standing,
  active: 0,
  inactive: 0,
  persistent: 0,
  overloaded: false,
  connections: 0,
  inPackets: 0,
  inBytes: 0,
  outPackets: 0,
  outBytes: 0,
  ...more,
});

const moment = (atMs: number, servers: Moment['servers'], more: Partial<Moment> = {}): Moment => ({
  atMs,
  version: '0.1.0',
  upSeconds: 3_723,
  flows: 12,
  capacity: 262_144,
  received: 100,
  dropped: { no_server: 4 },
  servers,
  ...more,
});

const before = moment(1_000, [server('web', '10.2.1.2:8080'), server('web', '10.2.1.3:8080')]);
const now = moment(
  3_000,
  [
    server('web', '10.2.1.2:8080', {
      active: 7,
      connections: 20,
      inPackets: 100,
      outPackets: 60,
      inBytes: 4_000,
      outBytes: 2e6,
    }),
    server('web', '10.2.1.3:8080', {
      connections: 200,
      weight: 10,
      standing: { ...standing, effectiveWeight: 2.5, place: 'serving' },
    }),
    server('dns', '10.2.1.9:53', {
      standing: { ...standing, place: 'down', health: 'down', healthSeconds: 61 },
    }),
  ],
  { received: 2_100, dropped: { no_server: 14, table_full: 2 } },
);
const state: TopState = { now, before, sort: 'c', offset: 0, trouble: null };

describe('the screen', () => {
  it('of 80 by 12 looks like this', () => {
    expect(topLines(state, { columns: 80, rows: 12 })).toEqual([
      'vsnat 0.1.0, up 1h 2m',
      'flows 12 of 262144, packets 1000/s, dropped no_server 5/s, table_full 1/s',
      '',
      'SERVICE  SERVER         STATE           ACTIVE  CONN/s    IN/s   OUT/s',
      'web      10.2.1.3:8080  serving              0     100     0 B     0 B',
      'web      10.2.1.2:8080  serving              7      10  2.0 kB  1.0 MB',
      'dns      10.2.1.9:53    down for 1m 1s       0       -       -       -',
      '',
      '',
      '',
      '',
      'sort: [c connections/s]  a active  p packets/s  b bytes/s  n name  q quit',
    ]);
  });

  it('sorts by what is asked for, ties by name', () => {
    const order = (sort: TopState['sort']): string[] =>
      topLines({ ...state, sort }, { columns: 120, rows: 12 })
        .slice(4, 7)
        .map((line) => line.split(/\s+/)[1] ?? '');
    expect(order('c')).toEqual(['10.2.1.3:8080', '10.2.1.2:8080', '10.2.1.9:53']);
    expect(order('a')).toEqual(['10.2.1.2:8080', '10.2.1.9:53', '10.2.1.3:8080']);
    expect(order('n')).toEqual(['10.2.1.9:53', '10.2.1.2:8080', '10.2.1.3:8080']);
  });

  it('knows no rate of a server it sees for the first time, nor of the first look', () => {
    expect(topLines(state, { columns: 120, rows: 12 }).find((line) => line.startsWith('dns'))).toMatch(
      /down for 1m 1s .* - +- +- +-$/,
    );
    expect(topLines({ ...state, before: null }, { columns: 120, rows: 12 })[1]).toContain('packets -/s');
  });

  it('counts what does not fit, and moves', () => {
    const many = moment(
      3_000,
      Array.from({ length: 30 }, (_, index) => server('web', `10.2.1.${index + 10}:80`)),
    );
    const lines = topLines({ ...state, now: many, before: null, offset: 25 }, { columns: 100, rows: 15 });
    expect(lines).toHaveLength(15);
    expect(lines.at(-1)).toContain('21-30 of 30');
  });

  it('is exactly as high and never wider than it may be, and carries no control character, whatever there is', () => {
    const text = fc.string({ unit: 'binary', maxLength: 40 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(text, text, fc.nat()), { maxLength: 40 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        fc.nat(50),
        (servers, columns, rows, offset) => {
          const some = moment(
            3_000,
            servers.map(([service, name, n]) => server(service, name, { active: n })),
          );
          const lines = topLines({ ...state, now: some, offset }, { columns, rows });
          expect(lines).toHaveLength(rows);
          for (const line of lines) {
            expect(widthOf(line)).toBeLessThanOrEqual(columns);
            expect(line).not.toMatch(/\p{Cc}/u);
          }
        },
      ),
    );
  });
});

describe('a terminal', () => {
  class Input extends EventEmitter {
    raw = false;
    setRawMode(raw: boolean): this {
      this.raw = raw;
      return this;
    }
    resume(): this {
      return this;
    }
    pause(): this {
      return this;
    }
  }
  class Output extends EventEmitter {
    columns = 80;
    rows = 24;
    text = '';
    write(text: string): boolean {
      this.text += text;
      return true;
    }
  }

  const open = () => {
    const [input, output] = [new Input(), new Output()];
    const heard: string[] = [];
    const screen = new Screen(
      // The four calls that are made of each.
      { input, output } as unknown as ConstructorParameters<typeof Screen>[0],
      {
        onKey: (key) => heard.push(key),
        onResize: () => heard.push('resize'),
        onEnd: () => heard.push('end'),
      },
      { bold: true },
    );
    screen.enter();
    return { input, output, heard, screen };
  };

  it('gets only the lines that differ', () => {
    const { output, screen } = open();
    screen.draw(['a', 'b'], 0);
    output.text = '';
    screen.draw(['a', 'c'], 0);
    expect(output.text).toBe('\u001b[2;1Hc\u001b[K');
    screen.leave();
  });

  it('is given back when one leaves, on Ctrl-C, and on SIGTERM, once each', () => {
    for (const how of ['leave', 'key', 'SIGTERM'] as const) {
      const { input, output, heard, screen } = open();
      expect(input.raw).toBe(true);
      if (how === 'leave') screen.leave();
      else if (how === 'key') input.emit('data', '\u0003');
      else process.emit('SIGTERM');
      expect(input.raw).toBe(false);
      expect(output.text.split('\u001b[?1049l')).toHaveLength(2);
      expect(heard).toEqual(how === 'leave' ? [] : ['end']);
      expect(process.listenerCount('SIGTERM')).toBe(0);
    }
  });

  it('is given back when an error goes uncaught, and drawn anew when it has another size', () => {
    const { output, heard, input, screen } = open();
    screen.draw(['a'], 0);
    output.text = '';
    output.emit('resize');
    expect(heard).toEqual(['resize']);
    screen.draw(['a'], -1);
    expect(output.text).toContain('a');
    for (const listener of process.listeners('uncaughtExceptionMonitor'))
      listener(new Error('x'), 'uncaughtException');
    expect(input.raw).toBe(false);
    expect(output.text).toContain('\u001b[?1049l');
    screen.leave();
  });
});
