// SPDX-License-Identifier: Apache-2.0
/** Samples of the microbenchmarks as tables: a row for each thing that is compared, a column for each number of them. */
import { short, spread } from '../report/statistics.js';
import { microValues, type MicroResults } from './results.js';

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

function cell(results: MicroResults, name: string, figure: string): string {
  const values = spread(microValues(results, name, figure));
  if (values === null) return '–';
  const range = values.count === 1 ? '' : ` (${short(values.least)}–${short(values.most)})`;
  return `**${short(values.median)}**${range}`;
}

/** In the order they were measured, each once. */
const namesOf = (results: MicroResults): string[] => [...new Set(results.samples.map(({ name }) => name))];

/** Cases below a prefix: rows by the middle of the name, columns by its end. '' when there are none. */
export function pivot(results: MicroResults, prefix: string, figure = 'ns'): string {
  const paths = namesOf(results)
    .filter((name) => name.startsWith(prefix))
    .map((name) => {
      const parts = name.slice(prefix.length).split('/');
      return { row: parts.slice(0, -1).join(' '), column: parts.at(-1) ?? '', name };
    });
  if (paths.length === 0) return '';
  const rows = [...new Set(paths.map(({ row }) => row))];
  const columns = [...new Set(paths.map(({ column }) => column))];
  return table(
    ['', ...columns],
    rows.map((row) => [
      row === '' ? figure : row,
      ...columns.map((column) => {
        const found = paths.find((one) => one.row === row && one.column === column);
        return found === undefined ? '' : cell(results, found.name, figure);
      }),
    ]),
  );
}

/** Cases below a prefix as rows, figures as columns. '' when there are none. */
export function figures(
  results: MicroResults,
  prefix: string,
  columns: Readonly<Record<string, string>>,
): string {
  const names = namesOf(results).filter((name) => name.startsWith(prefix));
  if (names.length === 0) return '';
  return table(
    ['', ...Object.values(columns)],
    names.map((name) => [
      name.slice(prefix.length).replaceAll('/', ' '),
      ...Object.keys(columns).map((figure) => cell(results, name, figure)),
    ]),
  );
}

/** What ran where, so that somebody else can judge it, or run it again. */
export function microMachine(results: MicroResults): string {
  const { commit, dirty, date, cpu, kernel, command, rounds, loadAverage, tookSeconds, notes } = results;
  return table(
    ['', ''],
    [
      ['commit', `${commit}${dirty ? ', with changes' : ''}`],
      ['date', date],
      ['CPU', cpu],
      ['kernel', kernel],
      ['command', `\`${command}\``],
      ['rounds', `${rounds}, ${Math.ceil(tookSeconds / 60)} minutes in all`],
      ['load average at the start', loadAverage.toFixed(2)],
      ...notes.map((note) => ['note', note]),
    ],
  );
}

const sliceFigures = {
  slice_p50_us: 'slice, median, µs',
  slice_p99_us: '99 of 100 within, µs',
  slice_p999_us: '999 of 1,000 within, µs',
  slice_max_us: 'longest, µs',
  long_slices: 'slices above 100 µs',
  control_max_us: 'longest control, µs',
  long_controls: 'controls above 100 µs',
  ns: 'ns per flow',
} as const;
const memoryFigures = {
  told_bytes_per_flow: 'what the table asks for, bytes',
  resident_bytes_per_flow: 'what the process grows by, bytes',
} as const;
const countFigures = {
  instructions: 'instructions',
  data: 'reads and writes',
  'L1 misses': 'first-level misses',
  'LL misses': 'last-level misses',
} as const;

/** Every part of the page that these results have something for, by the name of its marker. */
export function microParts(results: MicroResults): Map<string, string> {
  const kinds: readonly (readonly [string, string])[] =
    results.what === 'counts'
      ? [
          ['micro-counts-machine', microMachine(results)],
          ['micro-counts', figures(results, '', countFigures)],
        ]
      : [
          ['micro-machine', microMachine(results)],
          ['micro-wire', pivot(results, 'wire/')],
          ['micro-hash', pivot(results, 'hash/')],
          ...['hit-uniform', 'hit-zipf', 'miss', 'insert', 'erase'].map(
            (what) => [`micro-table-${what}`, pivot(results, `table/${what}/`)] as const,
          ),
          ['micro-schedulers', pivot(results, 'schedulers/')],
          ['micro-step', pivot(results, 'step/')],
          ...['services', 'servers'].map((what) => [`micro-${what}`, scaling(results, what)] as const),
          ['micro-expiry', figures(results, 'expiry/', sliceFigures)],
          ['micro-memory', figures(results, 'memory/', memoryFigures)],
        ];
  return new Map(kinds.filter(([, text]) => text !== ''));
}

/** scaling/KIND/services/N: what is compared stands before what it is compared by. */
function scaling(results: MicroResults, by: string): string {
  const turned = results.samples.flatMap((sample) => {
    const [group, kind, axis, number] = sample.name.split('/');
    return group === 'scaling' && axis === by ? [{ ...sample, name: `${kind}/${number}` }] : [];
  });
  return pivot({ ...results, samples: turned }, '');
}

/** For a terminal. */
export const everyMicroTable = (results: MicroResults): string =>
  [...microParts(results)]
    .map(([id, text]) => `${id.replace('micro-', '').replaceAll('-', ', ')}\n\n${text}`)
    .join('\n\n');
