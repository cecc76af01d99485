// SPDX-License-Identifier: Apache-2.0
/**
 * Whether another machine has a VIP. Where the VIP lies in a link's subnet, whoever answers an ARP question there gets
 * its packets, and the fastest wins. The question is asked by arping (RFC 5227 probe, no neighbour's cache is touched);
 * this host does not hear its own question, so its own proxy entry does not answer.
 */
import type { System } from '../host/index.js';
import { vipsOf, type Facts, type Wanted } from './facts.js';
import type { HostPrefix } from './prefix.js';

const mostAsked = 16;

export async function findRivals(
  wanted: Wanted,
  addresses: readonly HostPrefix[],
  system: System,
): Promise<Facts['rivals']> {
  const questions = vipsOf(wanted)
    .filter((vip) => !vip.includes(':'))
    .flatMap((vip) =>
      addresses
        .filter(({ device }) => device !== 'lo' && device !== wanted.device)
        .filter((prefix) => prefix.contains(vip))
        .map(({ device }) => ({ vip, device })),
    )
    .slice(0, mostAsked);
  const rivals: { address: string; device: string; link: string }[] = [];
  for (const { vip, device } of questions) {
    const { status, stdout } = await system.run(['arping', '-D', '-c', '2', '-w', '1', '-I', device, vip]);
    if (status > 1) return null;
    const [, link] = /reply from \S+ \[([0-9A-F:]+)\]/i.exec(stdout) ?? [];
    if (link !== undefined) rivals.push({ address: vip, device, link: link.toLowerCase() });
  }
  return rivals;
}
