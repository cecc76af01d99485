// SPDX-License-Identifier: Apache-2.0
/**
 * ipvsadm without a kernel: its command line to requests, the virtual server table to its listings. Pure, apart from
 * asking `Names` for host names; talking to the daemon is the commands' business.
 */
export {
  addressesOfConnection,
  connectionLine,
  connectionTitles,
  type TableConnection,
} from './connections.js';
export { complaintOf } from './complaints.js';
export { estimatorPeriodMs, nextAverage, ratesOf } from './estimator.js';
export { flagNumber, flagOf } from './flags.js';
export { helpText, versionText } from './help.js';
export { addressesOf, listingLines } from './listing.js';
export { byName, inNumbers, type EndpointName } from './name.js';
export { options } from './options.js';
export { refusedByDesign } from './by-design.js';
export { parseCommandLine } from './parse.js';
export { minusOne, misuse, Refusal, seeHelp } from './refusal.js';
export { familyOfKey, formatKey, type Request, type ServiceKey } from './request.js';
export { ruleLines, wordsOfRule } from './rules.js';
export {
  netmaskOf,
  noFlow,
  wholeClient,
  type Flow,
  type Table,
  type TableServer,
  type TableService,
} from './table.js';
export type { Names } from './values.js';
