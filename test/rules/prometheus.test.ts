// SPDX-License-Identifier: Apache-2.0
/** What contrib/ has for Prometheus and Grafana asks for metrics that exist, in words Prometheus understands. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { sampleNamesOf, type MetricDefinition } from '../../src/metrics/definition.js';
import { allDefinitions } from '../../src/metrics/registry.js';
import { testWith } from '../support/programs.js';

const contrib = join(import.meta.dirname, '../../contrib');
const prometheus = join(contrib, 'prometheus');

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly targets?: readonly { readonly expr: string }[];
  }[];
  readonly templating: { readonly list: readonly { readonly definition?: string }[] };
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

const rules = parse(readFileSync(join(prometheus, 'vsnat.rules.yml'), 'utf8')) as Rules;
const dashboard = JSON.parse(readFileSync(join(contrib, 'grafana/vsnat.json'), 'utf8')) as Dashboard;

const alertExpressions = rules.groups.flatMap((group) => group.rules.map(({ expr }) => expr));
const panelExpressions = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.annotations.list.map(({ expr }) => expr),
];
/** Grafana's variables as it would fill them in. */
const filledIn = (expr: string): string =>
  expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$(job|instance|service)\b/g, '.*');

const byName = new Map<string, MetricDefinition>(
  allDefinitions.flatMap((definition) => sampleNamesOf(definition).map((name) => [name, definition])),
);

/** Each metric of an expression with the labels its selector asks for. */
function selectors(expr: string): { readonly name: string; readonly labels: readonly string[] }[] {
  return [...expr.matchAll(/\b(vsnat_[a-z0-9_]+)(?:\{([^}]*)\})?/g)].map(([, name = '', inside = '']) => ({
    name,
    labels: [...inside.matchAll(/(\w+)\s*(?:=|!=|=~|!~)/g)].map(([, label = '']) => label),
  }));
}

describe.each([
  ['the alerts', alertExpressions],
  ['the dashboard', panelExpressions],
  ['the variables of the dashboard', dashboard.templating.list.flatMap(({ definition = [] }) => definition)],
])('%s', (_, expressions) => {
  it('ask for metrics that exist, by labels that they have', () => {
    const all = expressions.flatMap(selectors);
    expect(all.length).toBeGreaterThan(2);
    for (const { name, labels } of all) {
      const definition = byName.get(name);
      expect(definition, name).toBeDefined();
      const known = ['job', 'instance', 'le', ...(definition?.labels ?? [])];
      expect(
        labels.filter((label) => !known.includes(label)),
        name,
      ).toEqual([]);
    }
  });
});

describe('Prometheus', () => {
  testWith('promtool')('takes the alerts, and they fire when they should', () => {
    for (const what of [
      ['check', 'rules', 'vsnat.rules.yml'],
      ['test', 'rules', 'vsnat.rules.test.yml'],
    ]) {
      const { status, stdout, stderr } = spawnSync('promtool', what, { cwd: prometheus, encoding: 'utf8' });
      expect({ status, said: stdout + stderr }).toMatchObject({ status: 0 });
    }
  });

  testWith('promtool')('understands every expression of the dashboard', () => {
    const directory = mkdtempSync(join(tmpdir(), 'vsnat-dashboard-'));
    const recorded = panelExpressions.map((expr, n) => ({ record: `test:panel:${n}`, expr: filledIn(expr) }));
    writeFileSync(
      join(directory, 'rules.yml'),
      JSON.stringify({ groups: [{ name: 'all', rules: recorded }] }),
    );
    const { status, stderr } = spawnSync('promtool', ['check', 'rules', join(directory, 'rules.yml')], {
      encoding: 'utf8',
    });
    rmSync(directory, { recursive: true });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

describe('the dashboard', () => {
  it('has a number and a name of its own for every panel', () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  });
});
