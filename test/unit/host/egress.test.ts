// SPDX-License-Identifier: Apache-2.0
/** What keeps packets from leaving as frames, as nft, ip and /proc say it. */
import { describe, expect, test } from 'vitest';

import { egressHindrances } from '../../../src/host/egress.js';
import type { CommandResult, System } from '../../../src/host/system.js';

const usualRules = JSON.stringify([
  { priority: 0, src: 'all', table: 'local' },
  { priority: 118, src: 'all', fwmark: '0x76000007', table: '1979711495', protocol: '118' },
  { priority: 32766, src: 'all', table: 'main' },
  { priority: 32767, src: 'all', table: 'default' },
]);

interface Says {
  readonly [command: string]: string | number;
}

/** A host whose programs say this; a number is an exit code. */
function host(says: Says, files: Readonly<Record<string, string>> = {}): System {
  const all: Says = { 'nft --terse list chains': '', 'ip -json -4 rule show': usualRules, ...says };
  const run = (argv: readonly string[]): Promise<CommandResult> => {
    const answer = all[argv.join(' ')] ?? '';
    const status = typeof answer === 'number' ? answer : 0;
    return Promise.resolve({ status, stdout: status === 0 ? String(answer) : '', stderr: '' });
  };
  return {
    run,
    read: (path: string) => Promise.resolve(files[path] ?? null),
  } as unknown as System;
}

const chains = (lines: string): string => `table inet fw {\n\tchain c {\n\t\t${lines}\n\t}\n}\n`;
const listed = (rule: string): string =>
  `table inet fw {\n\tchain c {\n\t\ttype filter hook forward priority filter; policy accept;\n${rule}\t}\n}\n`;
const forward = 'type filter hook forward priority filter; policy accept;';

describe('egress is hindered by', () => {
  test.each<[string, Says, Readonly<Record<string, string>>, readonly RegExp[]]>([
    ['nothing on a plain host', {}, {}, []],
    [
      'a chain at forward with a rule',
      {
        'nft --terse list chains': chains(forward),
        'nft --terse list chain inet fw c': listed('\t\taccept\n'),
      },
      {},
      [/^chain c of table inet fw has rules at forward$/],
    ],
    [
      'no empty chain that accepts',
      { 'nft --terse list chains': chains(forward), 'nft --terse list chain inet fw c': listed('') },
      {},
      [],
    ],
    [
      'a chain that drops whatever comes',
      { 'nft --terse list chains': chains(forward.replace('accept', 'drop')) },
      {},
      [/at forward$/],
    ],
    [
      'a masquerade at postrouting',
      {
        'nft --terse list chains': chains('type nat hook postrouting priority srcnat; policy accept;'),
        'nft --terse list chain inet fw c': listed('\t\tmasquerade\n'),
      },
      {},
      [/at postrouting$/],
    ],
    [
      'no chain elsewhere, and none of a bridge',
      {
        'nft --terse list chains':
          chains('type filter hook input priority filter; policy drop;') +
          chains(forward.replace('accept', 'drop')).replace('inet', 'bridge'),
      },
      {},
      [],
    ],
    ['not its own table', { 'nft --terse list chains': chains(forward).replace('fw', 'vsnat_v0') }, {}, []],
    ['a host without nft', { 'nft --terse list chains': 127 }, {}, [/^nft is missing/]],
    [
      'tables of iptables-legacy, but not raw',
      {},
      { '/proc/net/ip_tables_names': 'raw\nfilter\n' },
      [/^iptables-legacy has tables \(filter\)$/],
    ],
    [
      'a routing rule of somebody else',
      { 'ip -json -4 rule show': JSON.stringify([{ priority: 50, src: '10.0.0.1', table: 'main' }]) },
      {},
      [/^there is a routing rule \(ip -4 rule, preference 50\)$/],
    ],
    [
      'an IPsec policy',
      { 'ip xfrm policy count': '\t SPD IN  1 OUT 1 FWD 1\n' },
      {},
      [/^there are IPsec policies/],
    ],
  ])('%s', async (_, says, files, expected) => {
    const found = await egressHindrances(host(says, files), 'v0');
    expect(found).toHaveLength(expected.length);
    expected.forEach((pattern, index) => expect(found[index]).toMatch(pattern));
  });
});
