// SPDX-License-Identifier: Apache-2.0
/** Interfaces that packets come in by, and which of them do more with a packet than route it. Reading changes nothing. */
import { ipJson } from './state.js';
import type { System } from './system.js';

export interface Interface {
  readonly name: string;
  readonly index: number;
  /** Why packets must not be taken from it before the kernel saw them, as in "eth0 has …"; null: they may. */
  readonly objection: string | null;
}

/**
 * Those whose packets are for this host to route: Ethernet, `device` apart. Ports of bridges and bonds are not among
 * them, nor members of a VRF: their packets come again from the interface above.
 */
export async function readInterfaces(system: System, device: string): Promise<readonly Interface[]> {
  const [links, filtered, all] = await Promise.all([
    ipJson(system, 'link', 'show'),
    readFiltered(system),
    readSysctls(system, 'all'),
  ]);
  const candidates = links
    .filter(({ link_type: type, master }) => type === 'ether' && master === undefined)
    .map(({ ifname: name, ifindex: index }) => ({ name: String(name), index: Number(index) }))
    .filter(({ name }) => name !== device);
  return Promise.all(
    candidates.map(async ({ name, index }) => ({
      name,
      index,
      objection: objectionOf(name, filtered, await readSysctls(system, name), all),
    })),
  );
}

/** What the kernel would have done with a packet before it forwards it. */
function objectionOf(name: string, filtered: ReadonlySet<string>, own: Sysctls, all: Sysctls): string | null {
  if (filtered.has(name)) return 'has a queueing discipline for what comes in (tc qdisc)';
  // The stronger of the two counts (ip-sysctl.rst). Loose filtering is what the director does itself.
  if (Math.max(own.reversePath, all.reversePath) === 1)
    return 'filters strictly by reverse path (rp_filter=1)';
  if (!own.forwards4 || (all.forwards6 && !own.forwards6)) return 'does not forward (forwarding=0)';
  return null;
}

interface Sysctls {
  readonly reversePath: number;
  readonly forwards4: boolean;
  readonly forwards6: boolean;
}

async function readSysctls(system: System, name: string): Promise<Sysctls> {
  const [reversePath, four, six] = await Promise.all(
    [`ipv4/conf/${name}/rp_filter`, `ipv4/conf/${name}/forwarding`, `ipv6/conf/${name}/forwarding`].map(
      (key) => system.read(`/proc/sys/net/${key}`),
    ),
  );
  return {
    reversePath: Number(reversePath ?? 0),
    forwards4: Number(four ?? 0) > 0,
    forwards6: Number(six ?? 0) > 0,
  };
}

/** Interfaces with a qdisc at ingress, where filters may be that look at what comes in. */
async function readFiltered(system: System): Promise<ReadonlySet<string>> {
  const { stdout } = await system.run(['tc', 'qdisc', 'show']);
  const names = stdout
    .split('\n')
    .map((line) => /^qdisc (?:ingress|clsact) .*?\bdev (\S+)/.exec(line)?.[1])
    .filter((name) => name !== undefined);
  return new Set(names);
}
