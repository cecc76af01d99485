// SPDX-License-Identifier: Apache-2.0
/**
 * What `vsnat top` shows: a state and a size in, lines out. Pure: no clock, no terminal. A screen is never wider or higher
 * than it may be, so nothing scrolls or wraps; servers that do not fit are counted in the last line.
 */
import type { ServerAnswer } from '../admin/api.js';
import { oneLine } from './io.js';
import { standingCells } from './show-servers.js';
import { formatBytes, formatDuration, table, type Column } from './table.js';
import { shortened, widthOf } from './text-width.js';

export const sortKeys = {
  c: 'connections/s',
  a: 'active',
  p: 'packets/s',
  b: 'bytes/s',
  n: 'name',
} as const;

export type SortKey = keyof typeof sortKeys;

/** Sums since the daemon began, of one moment. */
export interface Moment {
  /** Milliseconds of a clock that only goes forward. */
  readonly atMs: number;
  readonly version: string;
  readonly upSeconds: number;
  readonly flows: number;
  readonly capacity: number;
  readonly received: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly servers: readonly (ServerAnswer & { readonly service: string })[];
}

export interface TopState {
  readonly now: Moment | null;
  /** The moment before; rates are what came between. */
  readonly before: Moment | null;
  readonly sort: SortKey;
  /** First row shown. */
  readonly offset: number;
  /** Why there is nothing new: no daemon answers. */
  readonly trouble: string | null;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

const columns: readonly Column[] = [
  { title: 'SERVICE' },
  { title: 'SERVER' },
  { title: 'STATE' },
  { title: 'WEIGHT', align: 'right' },
  { title: 'ACTIVE', align: 'right' },
  { title: 'INACT', align: 'right' },
  { title: 'CONN/s', align: 'right' },
  { title: 'PKT/s', align: 'right' },
  { title: 'IN/s', align: 'right' },
  { title: 'OUT/s', align: 'right' },
];

/** These go first where the screen is narrow, and only then do names give way. */
const dispensable = ['INACT', 'PKT/s', 'WEIGHT', 'IN/s'];
/** And these where names have given what they can: half of a telephone's width is left. */
const lastToGo = ['OUT/s', 'SERVICE', 'STATE', 'ACTIVE'];

function fittedTable(rows: readonly (readonly string[])[], width: number): string[] {
  let left = columns.map((_, index) => index);
  const drawn = (most: number): string[] =>
    table(
      left.map((index) => columns[index] ?? { title: '' }),
      rows.map((row) => left.map((index) => row[index] ?? '')),
      most,
    );
  for (const [titles, most] of [
    [dispensable, Number.POSITIVE_INFINITY],
    [lastToGo, width],
  ] as const)
    for (const title of titles) {
      const lines = drawn(most);
      if (lines.every((line) => widthOf(line) <= width)) return lines;
      left = left.filter((index) => columns[index]?.title !== title);
    }
  return drawn(width);
}

const headLines = 3;
/** Of the screen: the heads, the titles, and the line of keys. */
export const linesBesideRows = headLines + 2;

/** Exactly `size.rows` lines, each at most `size.columns` wide. The titles are line `headLines`. */
export function topLines(state: TopState, size: Size): string[] {
  const { now, trouble } = state;
  const room = Math.max(1, size.rows - linesBesideRows);
  const head = now === null ? [`vsnat top: ${trouble ?? 'asking the daemon'}`, '', ''] : headOf(now, state);
  const servers = rated(state);
  const offset = Math.min(state.offset, Math.max(0, servers.length - room));
  const shown = servers.slice(offset, offset + room);
  const [titles = '', ...rows] = fittedTable(shown.map(cellsOf), size.columns);
  const hidden = servers.length - shown.length;
  const where = `${offset + 1}-${offset + shown.length} of ${servers.length} (j k)`;
  const keys = keysLine(state.sort, hidden === 0 ? [] : [where], size.columns);
  const body = [...head, titles, ...rows];
  const filled = [...body, ...Array<string>(Math.max(0, size.rows - 1 - body.length)).fill('')].slice(
    0,
    size.rows - 1,
  );
  return [...filled, keys].map((line) => shortened(oneLine(line), size.columns));
}

/** Where one is matters more than what the letters mean: the help says that, too. */
function keysLine(sort: SortKey, where: readonly string[], columns: number): string {
  const marked = (texts: readonly (readonly [string, string])[]): string =>
    texts.map(([key, text]) => (key === sort ? `[${text}]` : text)).join('  ');
  const keys = Object.entries(sortKeys);
  const long = marked(keys.map(([key, name]) => [key, `${key} ${name}`]));
  const short = marked(keys.map(([key]) => [key, key]));
  const lines = [long, short].map((sorts) => [...where, `sort: ${sorts}`, 'q quit'].join('  '));
  return lines.find((line) => line.length <= columns) ?? ['q quit', ...where].join('  ');
}

function headOf(now: Moment, { before, trouble }: TopState): string[] {
  const seconds = secondsBetween(before, now);
  const rate = (is: number, was: number | undefined): string =>
    was === undefined ? '-' : String(Math.round(Math.max(0, is - was) / seconds));
  const drops = Object.entries(now.dropped)
    .map(
      ([reason, count]) =>
        [reason, count - (before?.dropped[reason] ?? (before === null ? count : 0))] as const,
    )
    .filter(([, count]) => count > 0)
    .sort((a, b) => b[1] - a[1])
    .slice(0, 4)
    .map(([reason, count]) => `${reason} ${Math.round(count / seconds)}/s`);
  return [
    `vsnat ${now.version}, up ${formatDuration(now.upSeconds)}${trouble === null ? '' : `  ${trouble}`}`,
    `flows ${now.flows} of ${now.capacity}, packets ${rate(now.received, before?.received)}/s, dropped ${drops.length === 0 ? 'none' : drops.join(', ')}`,
    '',
  ];
}

interface Rated {
  readonly server: Moment['servers'][number];
  readonly connections: number | null;
  readonly packets: number | null;
  readonly inBytes: number | null;
  readonly outBytes: number | null;
}

function rated({ now, before, sort }: TopState): readonly Rated[] {
  if (now === null) return [];
  const seconds = secondsBetween(before, now);
  const earlier = new Map(before?.servers.map((server) => [keyOf(server), server]));
  const rows = now.servers.map((server): Rated => {
    const was = earlier.get(keyOf(server));
    // A counter that went back began anew with another daemon.
    const per = (is: number, then: number | undefined): number | null =>
      then === undefined ? null : Math.max(0, is - then) / seconds;
    return {
      server,
      connections: per(server.connections, was?.connections),
      packets: per(
        server.inPackets + server.outPackets,
        was === undefined ? undefined : was.inPackets + was.outPackets,
      ),
      inBytes: per(server.inBytes, was?.inBytes),
      outBytes: per(server.outBytes, was?.outBytes),
    };
  });
  return rows.sort(
    (a, b) => weightOfRow(b, sort) - weightOfRow(a, sort) || keyOf(a.server).localeCompare(keyOf(b.server)),
  );
}

function weightOfRow(row: Rated, sort: SortKey): number {
  switch (sort) {
    case 'c':
      return row.connections ?? 0;
    case 'a':
      return row.server.active;
    case 'p':
      return row.packets ?? 0;
    case 'b':
      return (row.inBytes ?? 0) + (row.outBytes ?? 0);
    case 'n':
      return 0;
  }
}

const keyOf = ({ service, server }: Moment['servers'][number]): string => `${service} ${server}`;

const secondsBetween = (before: Moment | null, now: Moment): number =>
  before === null ? 1 : Math.max(0.001, (now.atMs - before.atMs) / 1000);

const cellsOf = ({ server, connections, packets, inBytes, outBytes }: Rated): string[] => [
  ...standingCells(server),
  connections === null ? '-' : String(Math.round(connections)),
  packets === null ? '-' : String(Math.round(packets)),
  inBytes === null ? '-' : formatBytes(inBytes),
  outBytes === null ? '-' : formatBytes(outBytes),
];
