// SPDX-License-Identifier: Apache-2.0
/** The facts that come back as numbers: what queues, servers, services and the table of connections have counted. */
import type { ServerSignals } from './signals.js';

/** Packets and bytes are 64-bit in C++ and doubles here: exact up to 2^53. */
export interface QueueCounters {
  readonly queue: number;
  readonly rxPackets: number;
  readonly rxBytes: number;
  readonly txPackets: number;
  readonly txBytes: number;
  /** Of rxPackets. rx + fragmentsReleased = forwarded + passed + the sum of dropped + fragmentsHeld. */
  readonly forwarded: number;
  readonly passed: number;
  /** Pieces of datagrams put aside until their first comes; held - released over all queues wait now. */
  readonly fragmentsHeld: number;
  /** Held pieces that went on, or were given up. Not always by the queue that held them. */
  readonly fragmentsReleased: number;
  /** By reason name; every reason of `dropReasons` is present. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Packets the director made itself, by kind (echo_reply, tcp_reset, port_unreachable, ...). */
  readonly generated: Readonly<Record<string, number>>;
  /** tx = forwarded + passed + the sum of generated - txFailed. */
  readonly txFailed: number;
  /** Superpackets (TSO, USO) read. */
  readonly rxGso: number;
  /** Superpackets the kernel refused and vsnat cut up itself. */
  readonly gsoResegmented: number;
  readonly syscallsRead: number;
  readonly syscallsWrite: number;
  readonly syscallsPoll: number;
  /** Flows found by a queue other than the one that created them: 0 when steering holds. */
  readonly foreignFlows: number;
  /** RSTs whose sequence number cannot be right: forwarded, but without effect on the connection here. */
  readonly suspectResets: number;
  /** Datagrams of a server that several one-packet services have: passed, since nobody knows whose they are. */
  readonly ambiguousReplies: number;
  /** Connections ended early by the drop_entry defence. */
  readonly entriesDropped: number;
  /** Connections ended because their server was deleted (expire_nodest_conn). */
  readonly orphansEnded: number;
  /** Connections ended by an operator, or when a drain reached its deadline. */
  readonly flowsEnded: number;
  /** Data connections that FTP helpers learnt of and let through. */
  readonly ftpAnnounced: number;
  /** Lines about data connections, and whole control connections, that FTP helpers could do nothing with. */
  readonly ftpIgnored: number;
  /** Packets that left as frames; that would have, had their next hop been known; that the interface refused. */
  readonly directPackets: number;
  /** Of received, forwarded and sent: those that went through the kernel alone, and never came into the queue. */
  readonly shortcutPackets: number;
  readonly shortcutBytes: number;
  readonly directUnresolved: number;
  readonly directRefused: number;
  readonly busyNanoseconds: number;
  /** Generation of the snapshot this queue works with. */
  readonly generation: number;
}

/** One server's slot. */
export interface ServerCounters {
  readonly slot: number;
  readonly active: number;
  readonly inactive: number;
  /** Client networks remembered for it; no connections, so in neither count and under no threshold. */
  readonly persistent: number;
  readonly overloaded: boolean;
  readonly connections: number;
  readonly inPackets: number;
  readonly inBytes: number;
  readonly outPackets: number;
  readonly outBytes: number;
  /** What the packets said about the server besides. */
  readonly signals: ServerSignals;
}

/** One service's slot. */
export interface ServiceCounters {
  readonly slot: number;
  readonly connections: number;
  /** New connections refused: no usable server, by the service. */
  readonly scheduleFailures: number;
  /** Steps taken by a cycle plan since its beginning; lets the next plan go on where this one stopped. */
  readonly cursor: number;
}

/** The table of connections. */
export interface FlowTableCounters {
  readonly capacity: number;
  readonly flows: number;
  readonly expired: number;
  readonly evicted: number;
  readonly bytes: number;
  /** Client networks whose server is remembered. */
  readonly templates: number;
}

/** What all slots have counted together. */
export type ServerTotals = Pick<
  ServerCounters,
  'connections' | 'inPackets' | 'inBytes' | 'outPackets' | 'outBytes'
>;

/** Connections of health checks through a VIP, which are in no service's and no server's numbers. */
export interface CheckCounters {
  /** Led to the server under test since the start. */
  readonly connections: number;
  /** To servers, and back. */
  readonly inPackets: number;
  readonly outPackets: number;
  /** Tracked now, out of `FlowTableCounters.flows`. */
  readonly flows: number;
}

/**
 * How much of the counters is read: all of them; `traffic`, all but signals, which are then as if nothing had been noticed;
 * `queues`, those of queues and tables, without servers and services. Of a hundred thousand servers each is several times the next.
 */
export type CountersPart = 'all' | 'traffic' | 'queues';

/** Everything the dataplane counts. Slots are its own numbers for services and servers. */
export interface Counters {
  readonly queues: readonly QueueCounters[];
  /** Slots used by the published snapshot, and others that carry flows or have ever counted anything. */
  readonly servers: readonly ServerCounters[];
  readonly services: readonly ServiceCounters[];
  readonly flowTable: FlowTableCounters;
  /** Of all servers, those that are gone included. */
  readonly totals: ServerTotals;
  readonly checks: CheckCounters;
  /** Packets that were taken straight from an interface (takeDirectly). */
  readonly ingressPackets: number;
  /** Connections that go through the kernel alone at the moment. */
  readonly shortcuts: number;
  /** Of one slot, for whoever does not want all of them as objects; undefined: nothing was ever counted there. */
  serverAt(slot: number): ServerCounters | undefined;
  serviceAt(slot: number): ServiceCounters | undefined;
}
