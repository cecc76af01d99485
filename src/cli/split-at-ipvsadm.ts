// SPDX-License-Identifier: Apache-2.0
/**
 * What follows the word `ipvsadm` belongs to ipvsadm's own grammar (its -h, its -v, its popt), so it is cut off before
 * our own options are read.
 */

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
