// SPDX-License-Identifier: Apache-2.0
/** The map `ipvs`: read, and held against itself where the kernel's key and vsnat's own speak of the same. */
import { kernelSysctls, sysctlNames, type IpvsSettings, type Sysctls } from '../model/sysctls.js';
import type { Field } from './field.js';
import { sysctlLimits } from './sysctls.js';

type RemovedServers = IpvsSettings['removedServers'];

/** What the kernel's expire_nodest_conn says about the packets of deleted servers. */
const removedServersOf = { 0: 'silent', 1: 'reset' } as const satisfies Record<0 | 1, RemovedServers>;

export function ipvsSettings(at: Field): IpvsSettings {
  const expireNodestConn = readExpireNodest(at);
  const written = at.get('removed_servers').word('reset', 'silent') ?? 'reset';
  return {
    removedServers: expireNodestConn === 'auto' ? written : removedServersOf[expireNodestConn],
    onePacketReplies: at.get('one_packet_replies').word('translate', 'pass') ?? 'translate',
    expireNodestConn,
    sysctls: readSysctls(at),
  };
}

/** Both keys may be written when they agree. */
export function checkIpvs(at: Field): void {
  const expire = readExpireNodest(at);
  const removed = at.get('removed_servers');
  if (expire === 'auto' || !removed.isWritten) return;
  const agreed = removedServersOf[expire];
  if (removed.word('reset', 'silent') === (agreed === 'reset' ? 'silent' : 'reset'))
    removed.refuse({
      must: `be ${agreed} with expire_nodest_conn: ${expire}`,
      hint: 'leave one of them out',
    });
}

function readExpireNodest(at: Field): IpvsSettings['expireNodestConn'] {
  const number = at.get('expire_nodest_conn').integer(0, 1);
  return number === 0 || number === 1 ? number : 'auto';
}

function readSysctls(at: Field): Sysctls {
  const read = sysctlNames.map((name) => {
    const { low, high } = sysctlLimits[name];
    return [name, at.get(name).integer(low, high) ?? kernelSysctls[name]] as const;
  });
  return Object.fromEntries(read) as Sysctls;
}
