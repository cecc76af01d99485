// SPDX-License-Identifier: Apache-2.0
/** Which figures of which loads belong in one table and one chart. */
import type { FigureOfLoad, Results } from './results.js';

/** Names that the harness adds to each load's own figures. */
export const directorCpu = 'director CPU';
export const machineCpu = 'machine CPU';
export const memory = 'memory';
export const systemCalls = 'system calls';
export const ownQueue = 'own queue';

export interface Group {
  readonly id: string;
  readonly title: string;
  readonly loads: RegExp;
  readonly figures: readonly string[];
  /** Worth a picture. */
  readonly isCharted: boolean;
}

const v4 = /^(?!IPv6)(?!latency)/;

export const groups: readonly Group[] = [
  { id: 'bulk-tcp', title: 'Bulk TCP', loads: /^bulk TCP/, figures: ['rate'], isCharted: true },
  { id: 'bulk-udp', title: 'Bulk UDP', loads: /^bulk UDP/, figures: ['rate'], isCharted: true },
  { id: 'packets', title: 'Small packets', loads: /^64-byte/, figures: ['rate'], isCharted: true },
  { id: 'latency', title: 'Latency', loads: /^latency/, figures: ['p50', 'p99', 'p999'], isCharted: true },
  { id: 'requests', title: 'Requests', loads: /^(connect|HTTP)/, figures: ['rate'], isCharted: true },
  { id: 'ipv6', title: 'IPv6', loads: /^IPv6/, figures: ['rate', 'p50', 'p99'], isCharted: false },
  {
    id: 'cpu',
    title: "CPU time of the director's processes",
    loads: v4,
    figures: [directorCpu],
    isCharted: false,
  },
  {
    id: 'machine-cpu',
    title: 'CPU time of the whole machine',
    loads: v4,
    figures: [machineCpu],
    isCharted: false,
  },
  {
    id: 'system-calls',
    title: 'System calls per packet',
    loads: v4,
    figures: [systemCalls],
    isCharted: false,
  },
  {
    id: 'own-queue',
    title: 'Packets on the queue that opened their connection',
    loads: v4,
    figures: [ownQueue],
    isCharted: false,
  },
  {
    id: 'memory',
    title: "Memory of the director's processes",
    loads: /^/,
    figures: [memory],
    isCharted: false,
  },
];

export const columnsOf = (group: Group, { figures }: Pick<Results, 'figures'>): readonly FigureOfLoad[] =>
  figures.filter(({ load, figure }) => group.loads.test(load) && group.figures.includes(figure));

/** `rate` is what one expects of a load; anything else needs saying. */
export const titleOf = ({ load, figure }: FigureOfLoad): string =>
  figure === 'rate' || load === figure
    ? load
    : /^(.* CPU|system calls|own queue)$/.test(figure)
      ? load
      : `${load}, ${figure}`;
