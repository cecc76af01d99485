// SPDX-License-Identifier: Apache-2.0
import { Option } from 'commander';

import { oneOf, positiveNumber, wait } from '../arguments.js';
import type { Register } from '../session.js';
import { sortKeys, type SortKey } from '../top-view.js';

interface TopWords {
  readonly interval: number;
  readonly sort: SortKey;
  readonly times?: number;
}

const keys = Object.keys(sortKeys) as SortKey[];

export const top: Register = (program, session) =>
  void program
    .command('top')
    .description('real servers by what they do now, again and again; plain text when not on a terminal')
    .addOption(new Option('--interval <duration>', 'between two looks').argParser(wait).default(1_000, '1s'))
    .option('--sort <key>', keys.map((key) => `${key} ${sortKeys[key]}`).join(', '), oneOf(keys), 'c')
    .option('--times <n>', 'without a terminal: end after so many looks', positiveNumber)
    .action(async ({ interval, sort, times }: TopWords) => {
      const { top } = await import('../top.js');
      const { io } = session;
      const isTerminal = io.canDraw && process.stdin.isTTY && times === undefined && !session.json;
      await top(
        {
          everyMs: Math.max(100, interval),
          sort,
          times: times ?? Number.POSITIVE_INFINITY,
          ask: session.ask.bind(session),
          terminal: isTerminal ? { input: process.stdin, output: process.stdout } : null,
          bold: io.isColored,
          json: session.json,
        },
        io,
      );
    });
