// SPDX-License-Identifier: Apache-2.0
/**
 * `vsnat ipvsadm` on the command line. What follows the word belongs to ipvsadm's own grammar (its -h, its -v, its
 * popt), so it is cut off before our own options are read.
 */
import type { ChangeAnswer, FlowsAnswer, ZeroAnswer } from '../admin/api.js';
import { options, type Table } from '../ipvsadm/index.js';
import { askDaemon, tellDaemon } from './ask.js';
import type { IpvsadmDaemon } from './ipvsadm.js';
import { fetchFlows } from './show-flows.js';

/** The words up to and with "ipvsadm", and those behind it. */
export function splitAtIpvsadm(argv: readonly string[]): {
  readonly own: readonly string[];
  readonly ipvsadm: readonly string[];
} {
  let at = 0;
  while (argv[at]?.startsWith('-') === true) at += argv[at] === '--socket' ? 2 : 1;
  if (argv[at] !== 'ipvsadm') return { own: argv, ipvsadm: [] };
  return { own: argv.slice(0, at + 1), ipvsadm: argv.slice(at + 1) };
}

/** For completion. */
export const ipvsadmWords: readonly string[] = options.map(({ long }) => `--${long}`);

export function ipvsadmDaemon(socket: string): IpvsadmDaemon {
  return {
    table: () => askDaemon<Table>(socket, '/v1/table'),
    change: (operations) => tellDaemon<ChangeAnswer>(socket, '/v1/change', { operations }),
    zero: (service) => tellDaemon<ZeroAnswer>(socket, '/v1/zero', { service }),
    connections: async function* () {
      const everything = { filters: {}, limit: Number.POSITIVE_INFINITY };
      for await (const { rows } of fetchFlows(everything, (path) => askDaemon<FlowsAnswer>(socket, path)))
        yield rows;
    },
  };
}
