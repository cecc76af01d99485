// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Io, printable } from '../../../src/cli/io.js';
import { createLogger, textLine } from '../../../src/cli/log.js';
import { createNotifier } from '../../../src/cli/notify.js';
import { formatBytes, formatDuration, plural, table } from '../../../src/cli/table.js';
import { shortened, widthOf } from '../../../src/cli/text-width.js';
import { UndoStack } from '../../../src/cli/undo.js';
import { capture } from './capture.js';

describe('what reaches a terminal', () => {
  it('never carries a control character, whatever a name contains', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 0x2100 })), (codes) => {
        const text = String.fromCharCode(...codes);
        expect(printable(text)).not.toMatch(
          /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/,
        );
      }),
    );
    expect(printable('web\u001b]0;owned\u0007')).toBe('web\ufffd]0;owned\ufffd');
  });

  it('is bold only on a terminal whose user allows it', () => {
    const heading = (env: Record<string, string>, isTTY: boolean, plain = false): string => {
      const { streams, said } = capture(env, isTTY);
      const io = new Io(streams);
      io.plain = plain;
      io.heading('web');
      return said.out;
    };
    expect(heading({}, true)).toBe('\u001b[1mweb\u001b[22m\n');
    for (const plain of [
      heading({}, false),
      heading({ NO_COLOR: '1' }, true),
      heading({}, true, true),
      heading({ TERM: 'dumb' }, true),
    ]) {
      expect(plain).toBe('web\n');
    }
  });
});

describe('numbers', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '1.0 kB'],
    [99_940, '99.9 kB'],
    [99_960, '100 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [1.5e12, '1.5 TB'],
    [5e18, '5000 PB'],
  ])('%d bytes read %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [-5, '0s'],
    [59.9, '59s'],
    [60, '1m'],
    [3_723, '1h 2m'],
    [86_400, '1d'],
    [90_061, '1d 1h'],
  ])('%d seconds read %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

  it('agree with their noun', () => {
    expect([plural(0, 'queue'), plural(1, 'queue'), plural(2, 'queue')]).toEqual([
      '0 queues',
      '1 queue',
      '2 queues',
    ]);
  });
});

describe('the width of a text', () => {
  it.each([
    ['web', 3],
    ['', 0],
    ['サービス', 8],
    ['né', 2],
    ['ne\u0301', 2],
    ['\u{1f980}', 2],
    ['한국', 4],
    ['a\u200db', 2],
  ])('%j takes %i columns', (text, width) => expect(widthOf(text)).toBe(width));

  it('is what a table goes by, and no letter is cut in half', () => {
    expect(
      table(
        [{ title: 'name' }, { title: 'n', align: 'right' }],
        [
          ['サービス', '1'],
          ['web', '10'],
        ],
      ),
    ).toEqual(['name       n', 'サービス   1', 'web       10']);
    expect(shortened('サービス', 8)).toBe('サービス');
    expect(shortened('サービス', 6)).toBe('サー…');
    expect(shortened('サービス', 1)).toBe('…');
    expect(shortened('サービス', 0)).toBe('');
  });
});

describe('a table', () => {
  it('keeps a cell on its line', () => expect(table([{ title: 'a' }], [['x\ny']])[1]).toBe('x\ufffdy'));

  it('has room for as many rows as there are servers', () => {
    const rows = Array.from({ length: 300_000 }, (_, index) => [String(index)]);
    expect(table([{ title: 'n' }], rows)).toHaveLength(300_001);
  });

  it('is as wide as its cells and ends no line in spaces', () => {
    const columns = [{ title: 'server' }, { title: 'weight', align: 'right' }, { title: '' }] as const;
    expect(
      table(columns, [
        ['10.2.1.2:8080', '5', ''],
        ['b', '100', 'drained'],
      ]),
    ).toEqual(['server         weight', '10.2.1.2:8080       5', 'b                 100  drained']);
  });
});

describe('the log', () => {
  it('is one line of text per event, lists below it', () => {
    expect(
      textLine('{"time":"T","level":"info","msg":"ready","queues":2,"device":"vsnat0","note":"two words"}'),
    ).toBe('T info  ready queues=2 device=vsnat0 note=two words\n');
    expect(textLine('{"time":"T","level":"info","msg":"reload","changes":["+ a","- b"]}')).toBe(
      'T info  reload changes=\n  + a\n  - b\n',
    );
  });

  it('is JSON with a readable level and time, and obeys its level', () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'warn', format: 'json' }, { write: (line) => lines.push(line) });
    log.info('not this');
    log.warn({ service: 'a\u001bb' }, 'this');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'warn',
      msg: 'this',
      time: expect.stringMatching(/Z$/) as string,
    });
    expect(lines[0]).not.toContain('\u001b');
  });

  it('keeps control characters of an error out of the text', () => {
    const lines: string[] = [];
    const log = createLogger({ level: 'info', format: 'text' }, { write: (line) => lines.push(line) });
    log.error({ err: new Error('bad\u001b[2J') }, 'failed');
    expect(lines[0]).toContain('error failed err=bad\ufffd[2J');
  });
});

describe('the service manager', () => {
  it('is told in its own words', () => {
    const sent: string[] = [];
    const notify = createNotifier(
      '@vsnat',
      (path, text) => sent.push(`${path} ${text}`),
      () => undefined,
      () => 42n,
    );
    notify.ready();
    notify.reloading();
    notify.stopping();
    expect(sent).toEqual(['@vsnat READY=1', '@vsnat RELOADING=1\nMONOTONIC_USEC=42', '@vsnat STOPPING=1']);
  });

  it('is not missed when it is not there, and its absence ends nothing', () => {
    const failures: unknown[] = [];
    createNotifier(
      undefined,
      () => failures.push('sent'),
      () => undefined,
    ).ready();
    createNotifier('@x', undefined, () => undefined).ready();
    const broken = (): void => {
      throw new Error('ECONNREFUSED');
    };
    createNotifier('@x', broken, (error) => failures.push(error)).ready();
    expect(failures).toEqual([new Error('ECONNREFUSED')]);
  });
});

describe('an undo stack', () => {
  it('takes down last things first, and the rest when one fails', async () => {
    const done: string[] = [];
    const stack = new UndoStack();
    stack.push('socket', () => void done.push('socket'));
    stack.push('host', () => Promise.reject(new Error('stuck')));
    stack.push('metrics', () => void done.push('metrics'));
    await stack.unwind((what, error) => done.push(`${what}: ${String(error)}`));
    expect(done).toEqual(['metrics', 'host: Error: stuck', 'socket']);
    await stack.unwind(() => done.push('again'));
    expect(done).toHaveLength(3);
  });
});
