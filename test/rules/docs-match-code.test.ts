// SPDX-License-Identifier: Apache-2.0
/** What the documents list is what the code has: metrics, drop reasons, errors, exit codes, commands, routes. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { routes } from '../../src/admin/routes/index.js';
import { defaultRows, flowFilters, flowStates, maxRows } from '../../src/admin/flow-filters.js';
import { defaultSocket } from '../../src/cli/ask.js';
import { checks } from '../../src/doctor/index.js';
import { configSchema } from '../../src/config/schema.js';
import { options } from '../../src/ipvsadm/index.js';
import { operationNames } from '../../src/director/operation.js';
import { errorCodes, exitCodeFor, exitCodes, VsnatError, type ErrorCode } from '../../src/errors.js';
import { failureReasonNames, failureReasons, isSkippedReason } from '../../src/health/reason.js';
import { sampleNamesOf } from '../../src/metrics/definition.js';
import { allDefinitions, metricDefinitions } from '../../src/metrics/registry.js';
import { testWith } from '../support/programs.js';
import { vsnat } from '../unit/cli/capture.js';

const root = join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** Rows of the table under a heading, as lists of cells. */
function tableUnder(document: string, heading: string): string[][] {
  const section = document.split(new RegExp(`^#+ ${heading}$`, 'm'))[1]?.split(/^#+ /m)[0] ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

const code = (text: string): string => `\`${text}\``;

/** The X-list of a macro in drop_reason.h: name and help. */
function nativeList(macro: string): string[][] {
  const text = read('native/base/drop_reason.h').split(`#define ${macro}(X)`)[1]?.split('\n\n')[0] ?? '';
  return [...text.matchAll(/X\(\w+,\s*"([^"]+)",\s*"([^"]+)"\)/g)].map(([, name = '', help = '']) => [
    code(name),
    help,
  ]);
}

it('the addon takes the numbers of queues that the configuration allows', () => {
  const { minimum, maximum } = configSchema.properties.tun.properties.queues.anyOf[1];
  const [, low, high] = /fields\.u32\("queues", (\d+), (\d+)\)/.exec(read('native/napi/decode.cc')) ?? [];
  expect([Number(low), Number(high)]).toEqual([minimum, maximum]);
});

describe('docs/metrics.md', () => {
  const document = read('docs/metrics.md');

  it('lists every metric with its type, labels and help', () => {
    expect(tableUnder(document, 'All of them')).toEqual(
      metricDefinitions.map(({ name, type, labels, help }) => [
        code(name),
        type,
        labels.map(code).join(', ') || 'none',
        help,
      ]),
    );
  });

  it('lists the names of the node exporter that can be had', () => {
    const named = new Set(document.match(/\bnode_ipvs_[a-z_]+\b(?<!_)/g));
    const known = allDefinitions.map(({ name }) => name).filter((name) => name.startsWith('node_ipvs_'));
    expect([...named].sort()).toEqual([...known].sort());
  });

  it('names no metric that is not there, in equations and alerts', () => {
    const known = new Set(metricDefinitions.flatMap((it) => [it.name, ...sampleNamesOf(it)]));
    const named = new Set(document.match(/\bvsnat_[a-z0-9_]+/g));
    expect([...named].filter((name) => !known.has(name))).toEqual([]);
  });

  testWith('promtool')('asks only what Prometheus can answer', () => {
    const alerts = tableUnder(document, 'Worth an alert').map(
      ([cell = '']) => /`([^`]+)`/.exec(cell)?.[1] ?? '',
    );
    const examples = [...document.matchAll(/```promql\n([^`]+)\n```/g)].map(([, text = '']) => text);
    expect(alerts.length).toBeGreaterThan(3);
    const rules = [...alerts, ...examples].map((expr, index) => ({
      record: `test:expression:${index}`,
      expr,
    }));
    const directory = mkdtempSync(join(tmpdir(), 'vsnat-rules-'));
    writeFileSync(join(directory, 'rules.yml'), JSON.stringify({ groups: [{ name: 'docs', rules }] }));
    const { status, stderr } = spawnSync('promtool', ['check', 'rules', join(directory, 'rules.yml')], {
      encoding: 'utf8',
    });
    rmSync(directory, { recursive: true });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it.each([
    ['Reasons of dropped packets', 'VSNAT_DROP_REASONS'],
    ['Kinds of generated packets', 'VSNAT_GENERATED_KINDS'],
  ])('lists under "%s" what %s does', (heading, macro) => {
    const expected = nativeList(macro);
    expect(expected.length).toBeGreaterThan(3);
    expect(tableUnder(document, heading)).toEqual(expected);
  });
});

describe('docs/errors.md', () => {
  it('lists every code with its exit code and meaning', () => {
    expect(tableUnder(read('docs/errors.md'), 'Errors').map((row) => row.slice(0, 3))).toEqual(
      (Object.entries(errorCodes) as [ErrorCode, string][]).map(([name, meaning]) => [
        code(name),
        String(exitCodeFor(new VsnatError(name, ''))),
        meaning,
      ]),
    );
  });
});

it('docs/health.md lists the reasons of failed checks', () => {
  expect(tableUnder(read('docs/health.md'), 'Reasons')).toEqual(
    failureReasonNames.map((name) => [
      code(name),
      isSkippedReason(name) ? 'skipped' : 'bad',
      failureReasons[name],
    ]),
  );
});

describe('docs/cli.md', () => {
  const document = read('docs/cli.md');

  it('lists the commands that the help lists', async () => {
    const { out } = await vsnat(['--help']);
    const inHelp = [...(out.split('Commands:')[1] ?? '').matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name);
    const inDocument = tableUnder(document, 'Commands').map(
      ([cell = '']) => /`vsnat ([a-z]+)/.exec(cell)?.[1],
    );
    expect(inDocument.slice(0, inHelp.length)).toEqual(inHelp);
  });

  it('names the default socket', () => {
    expect(document).toContain(code(defaultSocket));
  });

  it('lists the exit codes', () => {
    expect(tableUnder(document, 'Exit codes').map(([number]) => Number(number))).toEqual(
      Object.values(exitCodes),
    );
  });

  it('names every filter of flows', async () => {
    const { out } = await vsnat(['flows', '--help']);
    for (const filter of flowFilters) {
      expect(document).toContain(code(`--${filter}`));
      expect(out).toContain(`--${filter} `);
    }
  });
});

it('the states of a connection are those of native/flow/tcp_state.h, and that of a template', () => {
  const names = [...read('native/flow/tcp_state.h').matchAll(/^ {2}X\(\w+, +"([^"]+)"/gm)].map(
    ([, one]) => one,
  );
  expect(names.length).toBeGreaterThan(20);
  expect([...flowStates]).toEqual([...new Set([...names, 'ASSURED'])]);
});

it('docs/doctor.md lists the checks', () => {
  expect(tableUnder(read('docs/doctor.md'), 'Checks')).toEqual(
    checks.map(({ name, title }) => [code(name), title]),
  );
});

describe('docs/ipvsadm.md', () => {
  const document = read('docs/ipvsadm.md');

  it('names every option of ipvsadm', () => {
    for (const { long } of options) expect(document, long).toContain(`--${long}`);
  });

  it('and docs/differences.md link each other', () => {
    expect(document).toContain('(differences.md)');
    expect(read('docs/differences.md')).toContain('(ipvsadm.md)');
  });
});

describe('docs/admin-api.md', () => {
  const document = read('docs/admin-api.md');

  it('lists the routes', () => {
    expect(tableUnder(document, 'Admin API')).toEqual(
      routes.map(({ method, path, summary }) => [code(`${method} ${path}`), summary]),
    );
  });

  it('names no path that is not there', () => {
    const known = new Set(routes.map(({ path }) => path));
    const named = new Set(document.match(/\/v1\/[a-z.]*[a-z](?:\/\{[a-z]+\})?/g));
    expect([...named].filter((path) => !known.has(path))).toEqual([]);
  });

  it('lists the operations', () => {
    const named = tableUnder(document, 'POST /v1/change').flatMap(([cell = '']) => cell.split(', '));
    expect(named).toEqual(operationNames.map(code));
  });

  it('lists the parameters of flows, with their bounds', () => {
    const names = tableUnder(document, 'GET /v1/flows').flatMap(([cell = '']) => cell.split(', '));
    expect(names).toEqual(['cursor', 'limit', ...flowFilters].map(code));
    expect(document).toContain(`1..${maxRows} rows, ${defaultRows} when absent`);
  });
});
