// SPDX-License-Identifier: Apache-2.0
/** What the oracle's traces, its scenarios and docs/differences.md say of each other. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { topics } from '../oracle/topics.js';
import { parseTrace } from '../oracle/trace-file.js';

const root = path.resolve(import.meta.dirname, '../..');
const traces = path.join(root, 'test/oracle/traces');
const text = (file: string): string => readFileSync(path.join(root, file), 'utf8');

describe('the oracle', () => {
  test('has a recording of every scenario, in the order of the source, and of no other', () => {
    expect(readdirSync(traces).sort()).toEqual(topics.map(({ name }) => `${name}.trace`).sort());
    for (const topic of topics) {
      const { scenarios } = parseTrace(text(`test/oracle/traces/${topic.name}.trace`));
      const wanted = topic.scenarios.map(({ name, differs }) => ({ name, differs: differs ?? null }));
      expect(scenarios.map(({ name, differs }) => ({ name, differs }))).toEqual(wanted);
    }
  });

  test('names each scenario once', () => {
    for (const { scenarios } of topics)
      expect(new Set(scenarios.map(({ name }) => name)).size).toBe(scenarios.length);
  });

  test('allows only differences that are listed', () => {
    const listed = [...text('docs/differences.md').matchAll(/^## (\S+)$/gm)].map(([, id]) => id);
    const shown = topics.flatMap(({ scenarios }) => scenarios.flatMap(({ differs }) => differs ?? []));
    expect([...new Set(shown)].filter((id) => !listed.includes(id))).toEqual([]);
  });

  test('shows each listed difference, unless the list names what else does', () => {
    const shown = new Set(
      topics.flatMap(({ scenarios }) => scenarios.flatMap(({ differs }) => differs ?? [])),
    );
    const paragraphs = text('docs/differences.md').split(/^## /m).slice(1);
    const unshown = paragraphs
      .map((paragraph) => ({ id: paragraph.split('\n')[0] ?? '', paragraph }))
      .filter(({ id, paragraph }) => !shown.has(id) && !/Shown by:?\s/.test(paragraph));
    expect(unshown.map(({ id }) => id)).toEqual([]);
  });

  test('recorded a difference wherever one is allowed', () => {
    for (const topic of topics)
      for (const { name, differs, kernel, vsnat } of parseTrace(
        text(`test/oracle/traces/${topic.name}.trace`),
      ).scenarios)
        expect([name, kernel.join('\n') === vsnat.join('\n')]).toEqual([name, differs === null]);
  });
});
