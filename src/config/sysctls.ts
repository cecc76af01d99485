// SPDX-License-Identifier: Apache-2.0
/**
 * Every sysctl the kernel has under net/ipv4/vs (Linux 6.12), as keys of `ipvs`: one table from which the schema, its
 * messages and docs/configuration.md come. Those without a meaning here are accepted at the kernel's default, so that a
 * list taken from a director in the kernel can stay whole, and refused otherwise: nothing a file asks for is ignored.
 */
import { Type, type TInteger, type TOptional, type TUnsafe } from '@sinclair/typebox';
import { kernelSysctls, type SysctlName } from '../model/sysctls.js';

interface Used {
  readonly low: number;
  readonly high: number;
  readonly description: string;
}

const intMax = 0x7fffffff;

const flag = (description: string): Used => ({ low: 0, high: 1, description });

const modes =
  '0: off. 1 and 2: on while memory is short (see `amemthresh`), off while it is not. 3: always on.';

const defence = (description: string): Used => ({ low: 0, high: 3, description: `${description} ${modes}` });

const expiration = (what: string): Used => ({
  low: 1,
  high: 2_678_400,
  description: `Seconds after which ${what}`,
});

const used: Readonly<Record<SysctlName, Used>> = {
  amemthresh: {
    low: 0,
    high: intMax,
    description:
      'Memory is short while free memory and buffers of the host, in pages of 4 KiB, are less than this.',
  },
  am_droprate: {
    low: 0,
    high: intMax,
    description: 'With `drop_packet: 3`, one in this many new connections is dropped. 0: none.',
  },
  drop_entry: defence(
    'Forget connections that look unwanted: once a second a 32nd of the table is looked at, for handshakes not ' +
      'finished, and for connections of few packets that were quiet for a minute.',
  ),
  drop_packet: defence(
    'Drop some new connections before they are scheduled: one in `am_droprate` in mode 3, in the automatic modes the ' +
      'more the less memory there is.',
  ),
  secure_tcp: defence(
    'A TCP connection counts as established only when the server goes on after the handshake.',
  ),
  conn_reuse_mode: {
    low: 0,
    high: 3,
    description:
      "A SYN on a connection in TIME_WAIT or CLOSE: 1 to 3 schedule it anew (the kernel's bit 2 has no effect in NAT mode), 0 gives it to the old server.",
  },
  expire_quiescent_template: flag('1: persistence no longer sends new connections to a server of weight 0.'),
  sloppy_tcp: flag('1: any TCP segment but a RST may begin a connection, as after a change of directors.'),
  sloppy_sctp: flag('1: any SCTP packet but an ABORT may begin an association.'),
  schedule_icmp: flag(
    '1: an ICMP error about a reply of an unknown connection is scheduled as its client would be.',
  ),
  nat_icmp_send: flag(
    '1: packets of a real server that belong to no connection are answered with port unreachable and do not pass.',
  ),
  lblc_expiration: expiration('`lblc` forgets the server of a VIP nobody asked for.'),
  lblcr_expiration: expiration('`lblcr` forgets a VIP nobody asked for, or one of its several servers.'),
};

interface Unused {
  /** 'auto' where the kernel takes its default from the machine. */
  readonly value: number | string;
  readonly because: string;
}

const noSync = 'connections are not synchronised with another director';

const unused = {
  conntrack: { value: 0, because: "no connection is kept in netfilter's tracking for the director" },
  snat_reroute: { value: 1, because: 'replies are routed after their translation, always' },
  cache_bypass: {
    value: 0,
    because: 'only packets to VIPs come to the director, so there is nothing to bypass',
  },
  pmtu_disc: { value: 1, because: 'it is about tunnels, which NAT mode has none of' },
  ignore_tunneled: {
    value: 0,
    because: 'it is about packets other than those to VIPs, which are left alone here',
  },
  backup_only: { value: 0, because: noSync },
  sync_version: { value: 1, because: noSync },
  sync_threshold: { value: '3 50', because: noSync },
  sync_refresh_period: { value: 0, because: noSync },
  sync_retries: { value: 0, because: noSync },
  sync_qlen_max: { value: 'auto', because: noSync },
  sync_sock_size: { value: 0, because: noSync },
  sync_ports: { value: 1, because: noSync },
  sync_persist_mode: { value: 0, because: noSync },
  run_estimation: {
    value: 1,
    because: 'there is no estimator to stop: counters are read when somebody asks',
  },
  est_cpulist: { value: 'auto', because: 'there is no estimator to place' },
  est_nice: { value: 0, because: 'there is no estimator to slow down' },
  debug_level: { value: 0, because: 'what is logged is `log.level`' },
} as const satisfies Readonly<Record<string, Unused>>;

export type UnusedSysctl = keyof typeof unused;

export const unusedSysctls = Object.keys(unused) as readonly UnusedSysctl[];

const usedSchema = (name: SysctlName, { low, high, description }: Used): TOptional<TInteger> =>
  Type.Optional(
    Type.Integer({
      description,
      default: kernelSysctls[name],
      minimum: low,
      maximum: high,
      errorMessage: high - low === 1 ? `must be ${low} or ${high}` : `must be ${low}..${high}`,
    }),
  );

const unusedSchema = ({ value, because }: Unused): TOptional<TUnsafe<number | string>> =>
  Type.Optional(
    Type.Unsafe<number | string>({
      type: typeof value === 'number' ? 'integer' : 'string',
      const: value,
      description: `No effect here: ${because}.`,
      default: value,
      errorMessage: `must be ${value}; ${because}`,
    }),
  );

type Schemas = Record<SysctlName, TOptional<TInteger>> &
  Record<UnusedSysctl, TOptional<TUnsafe<number | string>>>;

const entries = <T>(record: Readonly<Record<string, T>>): [string, T][] => Object.entries(record);

/** For the map `ipvs`; all but expire_nodest_conn, which has a third value. */
export const sysctlSchemas = Object.fromEntries([
  ...entries(used).map(([name, it]) => [name, usedSchema(name as SysctlName, it)] as const),
  ...entries<Unused>(unused).map(([name, it]) => [name, unusedSchema(it)] as const),
]) as Schemas;

/** The limits of each that has a meaning. */
export const sysctlLimits: Readonly<Record<SysctlName, { readonly low: number; readonly high: number }>> =
  used;

export const expireNodestSchema = Type.Optional(
  Type.Union([Type.Literal('auto'), Type.Integer({ minimum: 0, maximum: 1 })], {
    description:
      "`auto`: `removed_servers` decides. 0 and 1 are the kernel's: 0 drops the packets of a deleted server's connections in silence; 1 ends those connections with the server, and gives a client another server that sends a SYN on a connection to one of weight 0. Both hold for deleted services as well.",
    default: 'auto',
    errorMessage: 'must be auto, 0 or 1',
  }),
);
