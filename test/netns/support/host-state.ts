// SPDX-License-Identifier: Apache-2.0
/** Everything a director may set on its host, as text: equal before and after means nothing was left behind. */
import type { Namespace } from './namespace.js';

// Expiry times and the order of equal routes are the kernel's own business.
const volatile = / (?:expires \d+sec|linkdown)/g;

const show = `
  ip -o -br link | sed 's/ .*//' | sort
  for family in -4 -6; do
    ip $family rule
    ip $family route show table all | grep -v '^multicast ff00' | sort
    ip $family neigh show proxy | sort
  done
  nft list ruleset
  cd /proc/sys/net
  grep -H '' ipv4/ip_forward ipv?/conf/*/proxy_* ipv?/conf/*/*forwarding ipv4/conf/*/*rp_filter ipv4/conf/*/accept_local
`;

export async function hostState(namespace: Namespace): Promise<string> {
  return (await namespace.must(['sh', '-c', show])).replace(volatile, '');
}
