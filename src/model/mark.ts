// SPDX-License-Identifier: Apache-2.0
/**
 * What a firewall would do for a director in the kernel: give packets to these places this mark. No packet carries one
 * through a TUN device, so the rules are configuration, and a service of the mark takes its places from them.
 */
import { familyOf, type Family } from './address.js';
import { formatListen, type Listen } from './endpoint.js';

/** The places a mark stands for. */
export interface MarkRule {
  readonly mark: number;
  /** At least one; all of one address family. */
  readonly listen: readonly Listen[];
}

export const ruleFamily = ({ listen }: MarkRule): Family | undefined => {
  const [first] = listen;
  return first && familyOf(first.address);
};

/** "7=tcp://10.9.0.1:80,tcp://10.9.0.1:443" */
export const formatMarkRule = ({ mark, listen }: MarkRule): string =>
  `${mark}=${listen.map(formatListen).join(',')}`;
