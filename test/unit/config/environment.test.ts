// SPDX-License-Identifier: Apache-2.0
/** ${NAME} in values: what it becomes, what is refused, and that no complaint shows what a variable holds. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';

import { ConfigError, documentOf, parseConfig, type Environment } from '../../../src/config/index.js';
import { withoutReferences } from '../../../src/config/environment.js';
import type { Model } from '../../../src/model/index.js';

const model = (text: string, environment: Environment = {}): Model =>
  parseConfig(text, { environment }).model;

function complaints(text: string, environment: Environment = {}): readonly string[] {
  try {
    parseConfig(text, { environment, file: 'f' });
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split('\n');
    throw error;
  }
}

const service = (keys: string): string =>
  `services:\n  - name: web\n    listen: tcp://\${VIP:-10.9.0.1}:\${PORT:-80}\n    servers: []\n    ${keys}\n`;

describe('a reference', () => {
  it('is replaced within a text, several in one', () => {
    const [web] = model(service('mark: 0'), { PORT: '8080' }).services;
    expect(web?.listen).toEqual([{ protocol: 'tcp', address: '10.9.0.1', port: 8080 }]);
  });

  it.each([
    ['${N}', { N: '7' }, 7],
    ['"${N}"', { N: '7' }, 7],
    ['${N:-9}', {}, 9],
    ['${N:-9}', { N: '' }, 9],
    ['${N:?tell me}', { N: '3' }, 3],
  ])('that is a whole value is a number where it holds one: %s', (text, environment, mark) => {
    expect(model(service(`mark: ${text}`), environment).services[0]?.mark).toBe(mark);
  });

  it('is a truth value, too, and a text otherwise', () => {
    const text = service('health: { type: http, passive: "${P}", host: "${H}" }');
    expect(model(text, { P: 'false', H: 'x.example' }).services[0]?.health[0]).toMatchObject({
      passive: false,
      question: { host: 'x.example' },
    });
  });

  it('stays a text of digits where only a text may stand', () => {
    const text = service('health: { type: http, headers: { X-Token: "${T}" } }').replace('web', '"${T}"');
    const [web] = model(text, { T: '123' }).services;
    expect([web?.name, web?.health[0]?.question]).toMatchObject(['123', { headers: { 'X-Token': '123' } }]);
  });

  it('never becomes structure', () => {
    const text = service('health: { type: http, headers: { A: "${V}" } }');
    const evil = '1, B: 2 }\n# [x]: &y';
    expect(complaints(text, { V: evil })).toEqual([
      'f:5:41: services[0].health.headers.A: must be one line of text, got "${V}"; its value comes from the environment',
    ]);
    const [check] = model(text, { V: '{ a: 1 }' }).services[0]?.health ?? [];
    expect(check?.question).toMatchObject({ headers: { A: '{ a: 1 }' } });
  });

  it('is left alone behind two dollars, in keys, and without braces', () => {
    const text = service('health: { type: exec, command: [sh, -c, "echo $HOME $${HOME} $$"] }');
    expect(model(text, { HOME: '/root' }).services[0]?.health[0]?.question).toEqual({
      kind: 'exec',
      command: ['sh', '-c', 'echo $HOME ${HOME} $$'],
    });
    expect(complaints(service('${K}: 1'), { K: 'mark' })[0]).toContain('must be a known key, got "${K}"');
  });
});

describe('a mistake', () => {
  it.each([
    ['${N}', 'must have N set in the environment, got "${N}"; or give a default: ${N:-…}'],
    [
      '${N:?the port of the day}',
      'must have N set in the environment, got "${N:?the port of the day}"; the port of the day',
    ],
    [
      '${N',
      'must name a variable as ${NAME}, ${NAME:-default} or ${NAME:?message}, got "${N"; write $${ where ${ itself is meant',
    ],
    [
      '${1N}',
      'must name a variable as ${NAME}, ${NAME:-default} or ${NAME:?message}, got "${1N}"; write $${ where ${ itself is meant',
    ],
    [
      '${}',
      'must name a variable as ${NAME}, ${NAME:-default} or ${NAME:?message}, got "${}"; write $${ where ${ itself is meant',
    ],
    [
      '${N:=3}',
      'must name a variable as ${NAME}, ${NAME:-default} or ${NAME:?message}, got "${N:=3}"; write $${ where ${ itself is meant',
    ],
  ])('%s is told where it stands, and nothing follows from it', (text, message) => {
    expect(complaints(service(`mark: ${text}`))).toEqual([`f:5:11: services[0].mark: ${message}`]);
  });

  it('in brackets without quotes is told how to write it', () => {
    expect(
      complaints('services: [{ name: a, listen: tcp://${VIP}:80, servers: [] }]', { VIP: '10.9.0.1' }).join(),
    ).toContain('write what has ${…} in it in quotes');
  });

  it('does not show the value, wherever it is made', () => {
    const secret = 'tcp-hunter2';
    const keys = [
      'name',
      'scheduler',
      'mark',
      'routed',
      'helper',
      'listen',
      'persistence',
      'health',
      'drain',
      'quorum',
      'slow_start',
      'sorry_server',
    ];
    for (const key of keys) {
      const text = `services:\n  - { name: a, listen: tcp://10.9.0.1:80, servers: ["\${S}"] }\n  - { ${key}: "\${S}" }\nlog: { level: "\${S}" }\n`;
      const found = complaints(text, { S: secret });
      expect(found.length, key).toBeGreaterThan(1);
      expect(found.join('\n'), key).not.toContain('hunter2');
    }
  });
});

it('any text of a model comes back when its references are written as what they are', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('$', '{', '}', 'a', ' ', '"', 'ä', ':', '\n') }),
      (text) => {
        const before = model(
          service(`health: { type: agent, port: 1, send: ${JSON.stringify(withoutReferences(text))} }`),
        );
        expect(before.services[0]?.health[0]?.question).toEqual({ kind: 'agent', send: text });
        const escaped = JSON.parse(JSON.stringify(documentOf(before)), (_, value: unknown) =>
          typeof value === 'string' ? withoutReferences(value) : value,
        ) as object;
        // The library writes a block of blanks that it reads back without them; print.ts asks for no blocks either.
        expect(model(stringify(escaped, { blockQuote: false }))).toEqual(before);
      },
    ),
    { numRuns: 60 },
  );
});
