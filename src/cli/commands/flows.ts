// SPDX-License-Identifier: Apache-2.0
import { Option } from 'commander';

import type { FlowsAnswer } from '../../admin/api.js';
import { flowFilters, flowStates, type FlowFilter } from '../../admin/flow-filters.js';
import { VsnatError } from '../../errors.js';
import { oneOf, positiveNumber, wait } from '../arguments.js';
import type { Register, Session } from '../session.js';

interface FilterOption {
  readonly flags: string;
  readonly meaning: string;
  readonly parser?: (text: string) => string;
}

const defaultFlows = 1_000;
/** ip: persistence templates of marks. */
const protocols = ['tcp', 'udp', 'sctp', 'ip'] as const;

const filterOptions: Readonly<Record<FlowFilter, FilterOption>> = {
  service: { flags: '<name>', meaning: 'only of this service' },
  protocol: { flags: '<name>', meaning: protocols.join(', '), parser: oneOf(protocols) },
  state: { flags: '<state>', meaning: 'only in this state, as ipvsadm writes it', parser: oneOf(flowStates) },
  client: { flags: '<address>', meaning: 'only of this client; an address, or address:port' },
  vip: { flags: '<address>', meaning: 'only to this VIP; an address, or address:port' },
  server: { flags: '<address>', meaning: 'only to this real server; an address, or address:port' },
};

interface FlowOptions extends Readonly<Record<string, string | number | true | undefined>> {
  readonly limit: number;
  readonly all?: true;
  readonly follow?: true | number;
  readonly kill?: true;
  readonly silently?: true;
}

export const flows: Register = (program, session) => {
  const command = program.command('flows').description('tracked connections, as ipvsadm -Lnc draws them');
  for (const [filter, { flags, meaning, parser }] of Object.entries(filterOptions)) {
    const option = new Option(`--${filter} ${flags}`, meaning);
    command.addOption(parser === undefined ? option : option.argParser(parser));
  }
  command
    .option('--limit <n>', 'at most this many', positiveNumber, defaultFlows)
    .option('--all', 'every connection')
    .option(
      '-f, --follow [interval]',
      'those that come (+) and go (-), looked for every 1s or as given',
      wait,
    )
    .option('--kill', 'end those that match, with a RST to both ends')
    .option('--silently', 'with --kill: tell nobody')
    .action(async (options: FlowOptions) => {
      const filters = Object.fromEntries(
        flowFilters.flatMap((name) => (options[name] === undefined ? [] : [[name, String(options[name])]])),
      );
      if (options.silently === true && options.kill !== true)
        throw new VsnatError('VSNAT_USAGE', 'flows: --silently must come with --kill');
      if (options.kill === true) return kill(filters, options, session);
      const limit = options.all === true ? Number.POSITIVE_INFINITY : options.limit;
      const { fetchFlows, followFlows, showFlows } = await import('../show-flows.js');
      const pages = (most: number, signal?: AbortSignal): AsyncGenerator<FlowsAnswer> =>
        fetchFlows({ filters, limit: most }, (path) => session.ask<FlowsAnswer>(path, signal));
      const { follow } = options;
      if (follow === undefined) return showFlows(pages(limit), session.json, session.io);
      const everyMs = follow === true ? 1_000 : follow;
      await followFlows(
        (signal) => pages(Number.POSITIVE_INFINITY, signal),
        everyMs,
        session.json,
        session.io,
      );
    });
};

async function kill(
  filters: Readonly<Record<string, string>>,
  { all, silently }: FlowOptions,
  session: Session,
): Promise<void> {
  if (filters['state'] !== undefined)
    throw new VsnatError('VSNAT_USAGE', 'flows: --kill must be without --state: it may be another by now');
  const isUnfiltered = Object.keys(filters).length === 0;
  if (isUnfiltered && all !== true)
    throw new VsnatError(
      'VSNAT_USAGE',
      'flows: --kill must say which connections; name them with --client, --service and the like, or say --all',
    );
  const query = new URLSearchParams({
    ...filters,
    ...(isUnfiltered && { all: '1' }),
    how: silently === true ? 'silence' : 'reset',
  });
  const answer = await session.remove<{ readonly ended: number }>(`/v1/flows?${query.toString()}`);
  if (session.json) session.io.json(answer);
  else session.io.out(`${answer.ended} ended`);
}
