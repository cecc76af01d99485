// SPDX-License-Identifier: Apache-2.0
import type { FlowsAnswer } from '../../admin/api.js';
import { flowFilters } from '../../admin/flow-query.js';
import { positiveNumber } from '../arguments.js';
import type { Register } from '../session.js';

const defaultFlows = 1_000;

export const flows: Register = (program, session) => {
  const command = program.command('flows').description('tracked connections, as ipvsadm -Lnc draws them');
  for (const filter of flowFilters) command.option(`--${filter} <value>`, `only this ${filter}`);
  command
    .option('--limit <n>', 'at most this many', positiveNumber, defaultFlows)
    .option('--all', 'every connection')
    .action(async (options: Readonly<Record<string, string>> & { limit: number; all?: true }) => {
      const filters = Object.fromEntries(
        flowFilters.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
      );
      const limit = options.all === true ? Number.POSITIVE_INFINITY : options.limit;
      const { fetchFlows, showFlows } = await import('../show-flows.js');
      const pages = fetchFlows({ filters, limit }, (path) => session.ask<FlowsAnswer>(path));
      await showFlows(pages, session.json, session.io);
    });
};
