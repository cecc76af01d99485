// SPDX-License-Identifier: Apache-2.0
/** An explanation as text: the packet, what was decided in its order, the end, and what would be counted. Pure. */
import type { Explanation } from '../director/explain.js';
import type { Tried } from './explain.js';
import { plural, table } from './table.js';

export function explanationLines(explanation: Explanation, tried: Tried | null): string[] {
  const lines = [
    explanation.packet,
    ...explanation.steps.map((step) => `  ${step}`),
    `=> ${endOf(explanation)}`,
  ];
  if (explanation.counts.length > 0)
    lines.push('counted:', ...explanation.counts.map((series) => `  ${series}`));
  if (tried !== null)
    lines.push(
      `tried with the dataplane: ${triedAs(tried.verdict)}${tried.server === null ? '' : ` to ${tried.server}`}`,
    );
  return lines;
}

/** The dataplane's word for it, and what the word means where it is not plain. */
const triedAs = (verdict: string): string =>
  verdict === 'generated' ? 'answered by the director itself' : verdict;

export function endOf({ verdict, server, basis, certain, reason }: Explanation): string {
  const surely = certain ? '' : ', perhaps';
  switch (verdict) {
    case 'forwarded':
      if (basis === 'reply') return `forwarded to the client, from ${server ?? '?'}`;
      return `forwarded to ${server ?? '?'} (${basis ?? '?'}${surely})`;
    case 'passed':
      return 'passed: not balanced';
    case 'dropped':
      return `dropped: ${reason ?? '?'}`;
  }
}

/** Packets of a capture with one source and one destination. */
export interface SeenConnection {
  readonly explanation: Explanation;
  packets: number;
  /** How often the dataplane said what; empty when only the daemon was asked. */
  readonly verdicts: Record<string, number>;
}

export interface SeenCapture {
  readonly file: string;
  readonly packets: number;
  readonly leftOut: number;
  readonly others: number;
  readonly connections: readonly SeenConnection[];
}

export function connectionLines({ file, packets, leftOut, others, connections }: SeenCapture): string[] {
  const rows = connections.map(({ explanation, packets: count, verdicts }) => [
    explanation.packet,
    String(count),
    explanation.service ?? '-',
    endOf(explanation),
    Object.entries(verdicts)
      .map(([verdict, times]) => `${triedAs(verdict)} ${times}`)
      .join(', '),
  ]);
  return [
    ...table(
      [
        { title: 'packet' },
        { title: 'packets', align: 'right' },
        { title: 'service' },
        { title: 'the first' },
        { title: 'tried' },
      ],
      rows,
    ),
    `${file}: ${plural(packets, 'IP packet')}, ${others} without ports, ${leftOut} left out (no IP, or cut short)`,
  ];
}
