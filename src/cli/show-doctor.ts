// SPDX-License-Identifier: Apache-2.0
/** What the doctor found, as text: each finding with why it matters and how it is mended. Pure. */
import type { Examined, Finding } from '../doctor/index.js';
import { plural } from './table.js';

export interface DoctorText {
  readonly all: boolean;
  /** Where the services come from; null when there are none to check. */
  readonly source: string | null;
}

export function doctorLines(examined: readonly Examined[], { all, source }: DoctorText): string[] {
  const lines: string[] = [];
  for (const { check, title, findings, skipped } of examined) {
    lines.push(...findings.flatMap((finding) => findingLines(check, finding)));
    if (!all || findings.length > 0) continue;
    lines.push(skipped === null ? `well      ${check}: ${title}` : `skipped   ${check}: ${skipped}`);
  }
  const levels = examined.flatMap(({ findings }) => findings.map(({ level }) => level));
  const of = (level: string): number => levels.filter((one) => one === level).length;
  const skipped = examined.filter((one) => one.skipped !== null).length;
  const parts = [
    `${plural(examined.length, 'check')}${source === null ? ' of the host alone' : ` for ${source}`}`,
    `${of('wrong')} wrong`,
    `${of('doubtful')} doubtful`,
    ...(skipped === 0 ? [] : [`${skipped} not looked at${all ? '' : ' (--all says why)'}`]),
  ];
  return [...lines, parts.join(', ')];
}

const findingLines = (check: string, { level, what, why, mend, mendAt }: Finding): string[] => [
  `${level.padEnd(8)}  ${check}: ${what}`,
  `          ${why}`,
  ...(mend === null ? [] : [`          ${mendAt === undefined ? 'mend' : `on ${mendAt}`}: ${mend}`]),
];
