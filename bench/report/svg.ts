// SPDX-License-Identifier: Apache-2.0
/**
 * Bar charts: a panel per figure, a bar per contender as long as its median, and a line over its end from the least
 * sample to the most. Plain SVG with a style for dark pages, so that it needs nobody to draw it.
 */
import { short, type Spread } from './statistics.js';

export interface Bar {
  readonly name: string;
  readonly kind: string;
  /** null: there is none, and `instead` says why. */
  readonly value: Spread | null;
  readonly instead?: string;
}

export interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly bars: readonly Bar[];
}

const rowHeight = 22;
const barHeight = 13;
const head = 46;
const labels = 170;
const panelWidth = 230;
const gap = 20;
/** Beside the longest bar, for its number. */
const roomForNumber = 56;

const style = `
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; }
  .unit { fill: #57606a; font-size: 11px; }
  .kernel { fill: #8c959f; } .floor { fill: #bf8700; } .vsnat { fill: #0969da; } .proxy { fill: #8250df; }
  .range { stroke: #24292f; stroke-width: 1; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .unit { fill: #9198a1; } .range { stroke: #e6edf3; }
    .vsnat { fill: #4493f8; } .proxy { fill: #ab7df8; } .floor { fill: #d29922; }
  }`;

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const text = (x: number, y: number, content: string, rest = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}"${rest}>${escaped(content)}</text>`;

/** The scale goes by medians, not by outliers; a range that leaves the panel is cut at its edge. */
function bars(panel: Panel, left: number): string[] {
  const longest = Math.max(...panel.bars.map(({ value }) => value?.median ?? 0), Number.MIN_VALUE);
  const usable = panelWidth - roomForNumber;
  const at = (value: number): number => left + Math.min((value / longest) * usable, panelWidth);
  return panel.bars.flatMap(({ kind, value, instead = '–' }, row) => {
    const top = head + row * rowHeight;
    const base = top + barHeight - 2;
    if (value === null) return [text(left + 4, base, instead, ' class="unit"')];
    const end = at(value.median);
    const middle = top + barHeight / 2;
    const [from, to] = [at(value.least), at(value.most)];
    return [
      `<rect x="${left}" y="${top}" width="${(end - left).toFixed(1)}" height="${barHeight}" class="${kind}"/>`,
      `<line x1="${from.toFixed(1)}" x2="${to.toFixed(1)}" y1="${middle}" y2="${middle}" class="range"/>`,
      text(Math.max(end, Math.min(to, left + usable + 4)) + 5, base, short(value.median)),
    ];
  });
}

export function chart(title: string, panels: readonly Panel[]): string {
  const names = panels[0]?.bars.map(({ name }) => name) ?? [];
  const width = labels + panels.length * (panelWidth + gap);
  const height = head + names.length * rowHeight + 4;
  const parts = panels.flatMap((panel, index) => {
    const left = labels + index * (panelWidth + gap);
    return [
      text(left, 16, panel.title, ' class="title"'),
      text(
        left,
        33,
        `${panel.unit}, ${panel.better === 'more' ? 'more' : 'less'} is better`,
        ' class="unit"',
      ),
      ...bars(panel, left),
    ];
  });
  const rows = names.map((name, row) =>
    text(labels - 8, head + row * rowHeight + barHeight - 2, name, ' text-anchor="end"'),
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${style}\n</style>`,
    ...rows,
    ...parts,
    '</svg>\n',
  ].join('\n');
}
