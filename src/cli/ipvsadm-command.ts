// SPDX-License-Identifier: Apache-2.0
/** `vsnat ipvsadm` on the command line: ipvsadm against the daemon behind a socket, with this machine's names. */
import type { ChangeAnswer, FlowsAnswer, ZeroAnswer } from '../admin/api.js';
import { askedBy, peerOf, type Peer } from '../admin/peer.js';
import { options, type Table } from '../ipvsadm/index.js';
import { askDaemon, tellDaemon } from './ask.js';
import type { Io } from './io.js';
import { runIpvsadm, type IpvsadmDaemon } from './ipvsadm.js';
import { machineNames } from './names.js';
import { fetchFlows } from './show-flows.js';

/** For completion. */
export const ipvsadmWords: readonly string[] = options.map(({ long }) => `--${long}`);

/** Carries out the words behind `ipvsadm`; gives the exit code. */
export const ipvsadmCommand = (words: readonly string[], peer: string | Peer, io: Io): Promise<number> =>
  runIpvsadm(words, { daemon: ipvsadmDaemon(peer), names: machineNames(), io });

function ipvsadmDaemon(where: string | Peer): IpvsadmDaemon {
  const peer = askedBy(typeof where === 'string' ? peerOf(where) : where, 'ipvsadm');
  return {
    table: () => askDaemon<Table>(peer, '/v1/table'),
    change: (operations) => tellDaemon<ChangeAnswer>(peer, '/v1/change', { operations }),
    zero: (service) => tellDaemon<ZeroAnswer>(peer, '/v1/zero', { service }),
    connections: async function* () {
      const everything = { filters: {}, limit: Number.POSITIVE_INFINITY };
      for await (const { rows } of fetchFlows(everything, (path) => askDaemon<FlowsAnswer>(peer, path)))
        yield rows;
    },
  };
}
