// SPDX-License-Identifier: Apache-2.0
/** A whole keepalived.conf: its virtual servers are converted, all else is named with what becomes of it. */
import type { Notes } from '../note.js';
import { Names, type ConvertedService } from '../service.js';
import { readGroup } from './addresses.js';
import { readLines, type LineOptions, type SourceFile } from './lines.js';
import { readService } from './services.js';
import { Block, readTree, type Statement } from './tree.js';

export type { SourceFile } from './lines.js';

const vrrp = 'VRRP stays with keepalived, which runs beside vsnat (docs/operations.md)';

/** Blocks and statements of the top that are no business of a load balancer. */
const others: readonly (readonly [RegExp, string])[] = [
  [/^(vrrp_|bfd_|track_|garp_|linkbeat)/, vrrp],
  [/^static_/, 'addresses, routes and rules of the host are set where the host sets them'],
];

const globalNotes: Readonly<Record<string, string>> = {
  notification_email: 'no mail is sent; alert on the metrics (docs/metrics.md)',
  lvs_sync_daemon: 'connections are not synchronised with a second director',
  lvs_flush: 'vsnat takes everything down by itself when it ends',
  lvs_flush_onstop: 'vsnat takes everything down by itself when it ends',
  lvs_notify_fifo: 'there is no pipe; follow `vsnat events --follow --json`',
  checker_log_all_failures:
    'every verdict that changes is an event (`vsnat events`); `vsnat servers` has the last failure',
};

/** Of what is not known, only this is about virtual servers; the rest is VRRP's and keepalived's own. */
const isOfServices = (name: string): boolean =>
  /^(?:lvs|ipvs|checker|nftables_ipvs)_/.test(name) && name !== 'lvs_timeouts';

/** Throws VSNAT_CONFIG_INVALID when the file cannot be read at all. */
export function readKeepalived(
  source: SourceFile,
  options: Omit<LineOptions, 'notes'>,
  notes: Notes,
): readonly ConvertedService[] {
  const top = new Block({ block: readTree(readLines(source, { ...options, notes }), notes) });
  tellOthers(top, notes);
  const groups = new Map(
    top.all('virtual_server_group').map((group) => [group.words[1] ?? '', readGroup(group, notes)] as const),
  );
  const ssl = top.last('SSL');
  const surroundings = {
    groups,
    ssl: ssl === undefined ? null : new Block(ssl),
    timeouts: timeoutsOf(top),
    names: new Names(),
    notes,
  };
  return top.all('virtual_server').flatMap((service) => readService(service, surroundings));
}

function tellOthers(top: Block, notes: Notes): void {
  for (const statement of top.statements) {
    const [name = ''] = statement.words;
    const sentence = others.find(([pattern]) => pattern.test(name))?.[1];
    if (sentence !== undefined) notes.add(statement.place, statement.words.slice(0, 2).join(' '), sentence);
    else if (name === 'global_defs') tellGlobals(statement, notes);
    else if (!['virtual_server', 'virtual_server_group', 'SSL'].includes(name))
      notes.add(statement.place, name, 'is not known here; left out');
  }
}

function tellGlobals(global: Statement, notes: Notes): void {
  for (const { words, place } of new Block(global).statements) {
    const [name = ''] = words;
    const sentence = Object.hasOwn(globalNotes, name) ? globalNotes[name] : undefined;
    if (sentence !== undefined) notes.add(place, name, sentence);
    else if (isOfServices(name)) notes.add(place, name, 'has no counterpart');
  }
}

/** `lvs_timeouts tcp 7200 tcpfin 60 udp 30` in global_defs. */
function timeoutsOf(top: Block): Readonly<Record<string, string>> | undefined {
  const words = top
    .all('global_defs')
    .flatMap((global) => new Block(global).last('lvs_timeouts')?.words ?? []);
  const after = (name: string): string | undefined => words[words.indexOf(name) + 1];
  const keys = { tcp: 'tcp_established', tcpfin: 'tcp_fin_wait', udp: 'udp' } as const;
  const found = Object.entries(keys).flatMap(([word, key]) => {
    const seconds = Number(words.includes(word) ? after(word) : 0);
    return seconds > 0 ? [[key, `${seconds}s`] as const] : [];
  });
  return found.length === 0 ? undefined : Object.fromEntries(found);
}
