// SPDX-License-Identifier: Apache-2.0
/**
 * The seam between deciding and moving: everything TypeScript may ask of the C++ side, and nothing else.
 * native.ts implements it with the addon, fake.ts in memory for tests. A decision crosses as one immutable
 * `SnapshotSpec`; facts come back as counters and rows.
 */
import type { Plan } from '../model/plan.js';
import type { ServerSignals } from './signals.js';
import type { SignsWatch } from './signs.js';

/** What vsnat balances. */
export type ProtocolName = 'tcp' | 'udp' | 'sctp';

/** Where a service listens. */
export interface ListenSpec {
  readonly protocol: ProtocolName;
  /** IPv4 or IPv6 address as text; the VIP. */
  readonly address: string;
  /** Host order; 0 is every port, for services with persistence or a mark. */
  readonly port: number;
}

export interface ServerSpec {
  /**
   * Stable identity of this real server within the dataplane, 0..limits.serverSlots-1: counters and live flows hang
   * on it across snapshots. A slot may be given to another server only when its active, inactive and persistent counts are zero.
   */
  readonly slot: number;
  readonly address: string;
  /** 0: the port the client asked for. */
  readonly port: number;
  /** 0..65535; 0 takes no new connections. */
  readonly weight: number;
  /** IPVS thresholds on active + inactive connections; upper 0 means no limit, lower 0 means 3/4 of upper. */
  readonly upperThreshold: number;
  readonly lowerThreshold: number;
  /**
   * It is dead, or to be treated so. Weight 0 and more: persistent clients are given another server, and so are UDP flows and
   * SYNs of known connections. Established TCP connections go on, in case it was not dead.
   */
  readonly withdrawn?: boolean;
}

/** Seconds. The defaults are the kernel's (ip_vs_proto_tcp.c, ip_vs_proto_udp.c). */
export interface TimeoutSpec {
  readonly tcpEstablished: number; // 900
  readonly tcpSynRecv: number; // 60
  readonly tcpSynSent: number; // 120
  readonly tcpFinWait: number; // 120
  readonly tcpTimeWait: number; // 120
  readonly tcpClose: number; // 10
  readonly tcpCloseWait: number; // 60
  readonly tcpLastAck: number; // 30
  readonly udp: number; // 300
  readonly sctpEstablished: number; // 900
}

export interface ServiceSpec {
  /** Stable identity within the dataplane, 0..limits.serviceSlots-1. */
  readonly slot: number;
  /** All of one address family, the same as the servers'. Protocols may mix. */
  readonly listen: readonly ListenSpec[];
  readonly servers: readonly ServerSpec[];
  readonly plan: Plan;
  /** The plan is the cycle this slot has, and goes on where that is. Left out: it begins at its beginning. */
  readonly continues?: boolean;
  readonly timeouts: TimeoutSpec;
  /** Left out: each connection is scheduled on its own. */
  readonly persistence?: {
    readonly timeoutSeconds: number;
    readonly prefixLength: number;
    /** IPv4 only: counts in the place of the length. */
    readonly mask?: string;
    /** Left out: the network alone tells what belongs together. */
    readonly engine?: 'sip';
  };
  /** All listeners are one service: persistence holds over every one of them. 1..2^32-1, once per address family. */
  readonly mark?: number;
  /** UDP only: each datagram is scheduled on its own, and none is remembered. */
  readonly onePacket?: boolean;
  /** Left out: none. */
  readonly helper?: 'ftp';
}

/** What the kernel's sysctls decide and a packet can tell; model/sysctls.ts says what each does. */
export interface PolicySpec {
  /** conn_reuse_mode is not 0. */
  readonly reuseClosed: boolean;
  /** expire_nodest_conn is 1. */
  readonly expireNodest: boolean;
  /** Connections of a deleted service fare as those of a deleted server; else they go on as long as they live. */
  readonly servicesTakeConnections: boolean;
  readonly sloppyTcp: boolean;
  readonly sloppySctp: boolean;
  readonly scheduleIcmp: boolean;
  readonly natIcmpSend: boolean;
}

/** What the defences against floods are to do for now. */
export interface DefenceSpec {
  /** One in this many new connections is dropped; 0 none. */
  readonly dropRate: number;
  /** Begin to count them afresh. */
  readonly countAnew: boolean;
  readonly dropEntries: boolean;
  readonly secureTcp: boolean;
}

/** What holds for all services. */
export interface SnapshotSettings {
  /**
   * silent: packets of a live flow whose server left the configuration are dropped (the kernel's way);
   * reset: TCP is answered with RST and UDP is scheduled anew.
   */
  readonly removedServer: 'silent' | 'reset';
  /** Whether weight 0 keeps new connections of persistent clients away as well; false when left out. */
  readonly expireQuiescentTemplate?: boolean;
  /** 'translate' when left out. */
  readonly onePacketReplies?: 'translate' | 'pass';
  /** The kernel's defaults when absent. */
  readonly policy?: PolicySpec;
  /** Addresses to which packets of connections still come although nobody listens there any more. */
  readonly lingeringVips?: readonly string[];
  /** Where health checks through a VIP come from; nobody else begins a connection from there. */
  readonly checkSources?: readonly string[];
}

export interface SnapshotSpec extends SnapshotSettings {
  readonly services: readonly ServiceSpec[];
}

/** What separates a snapshot from the one published last. */
export interface SnapshotDelta extends SnapshotSettings {
  /** New ones, and those that take the place of what is in their slot. */
  readonly services: readonly ServiceSpec[];
  /** Slots of services that are no more. */
  readonly removed: readonly number[];
}

/** Connections to be ended: those that all of what is given fits. */
export interface FlowSelection {
  readonly protocol?: ProtocolName;
  readonly clientAddress?: string;
  readonly clientPort?: number;
  readonly virtualAddress?: string;
  readonly virtualPort?: number;
  readonly realAddress?: string;
  readonly realPort?: number;
  readonly serviceSlot?: number;
  readonly serverSlot?: number;
}

/**
 * reset: both ends of a TCP connection get a RST and it is forgotten. silence: nobody is told, and its packets are dropped
 * until its client has given up. Flows of UDP and SCTP are forgotten either way; the next packet is as a stranger's.
 */
export type Ending = 'reset' | 'silence';

export interface ServerLoad {
  readonly active: number;
  readonly inactive: number;
  readonly persistent: number;
}

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
  /** Of one slot, for whoever does not want all of them as objects; undefined: nothing was ever counted there. */
  serverAt(slot: number): ServerCounters | undefined;
  serviceAt(slot: number): ServiceCounters | undefined;
}

/** A connection; or a persistence template, which has client port 0, as in the kernel's listing. */
export interface FlowRow {
  /** ip: the template of a mark, whose virtual address is the mark's number. */
  readonly protocol: ProtocolName | 'ip';
  /** ipvsadm's state names: ESTABLISHED, SYN_RECV, FIN_WAIT, ..., UDP; NONE and ASSURED of a template. */
  readonly state: string;
  readonly expiresInSeconds: number;
  readonly clientAddress: string;
  readonly clientPort: number;
  readonly virtualAddress: string;
  readonly virtualPort: number;
  readonly realAddress: string;
  readonly realPort: number;
  readonly serviceSlot: number;
  readonly serverSlot: number;
  readonly queue: number;
  /** Of the template of a SIP call. */
  readonly callId?: string;
}

export interface FlowPage {
  readonly rows: readonly FlowRow[];
  /** Pass to the next call; null when the table has been walked. */
  readonly next: number | null;
}

/** What the device turned out to be able to do, probed one by one. */
export interface DeviceFacts {
  readonly name: string;
  readonly index: number;
  readonly queues: number;
  readonly vnetHeader: boolean;
  readonly checksumOffload: boolean;
  readonly tso4: boolean;
  readonly tso6: boolean;
  readonly uso4: boolean;
  readonly uso6: boolean;
  /** client-endpoint: eBPF; none: any queue may see any packet, the table is shared. */
  readonly steering: 'client-endpoint' | 'random' | 'none';
  /** Whether direct() has an effect. */
  readonly directEgress: boolean;
  /** Why it was asked for and cannot be had; else null. */
  readonly directRefusal: string | null;
  /** Whether takeDirectly() has an effect. */
  readonly directIngress: boolean;
  /** Why not; null also when nobody wanted it. */
  readonly ingressRefusal: string | null;
  /** Whether packets cross the device by io_uring, a burst with one system call. */
  readonly uring: boolean;
  /** Why not; null when nobody asked for it, or it does. */
  readonly uringRefusal: string | null;
}

export interface Limits {
  readonly serverSlots: number;
  readonly serviceSlots: number;
}

/** A connection of a health check through a VIP. */
export interface CheckEnds {
  readonly protocol: 'tcp' | 'udp';
  readonly source: string;
  readonly sourcePort: number;
  readonly virtualAddress: string;
  readonly virtualPort: number;
}

/** What health checks need to go through a VIP. */
export interface CheckLeads {
  /**
   * From now until end(), a connection that begins at this port of a check source is led to this server of this service.
   * False when the port is in use.
   */
  lead(sourcePort: number, serviceSlot: number, serverSlot: number): boolean;
  /** Forgets the connection, if there is one, and frees its port. */
  end(ends: CheckEnds): void;
  /**
   * The descriptor of a socket bound to an address that this host does not have, for whoever takes it to close. Throws as
   * Node does (code, errno, syscall).
   */
  open(transport: 'tcp' | 'udp', source: string, sourcePort: number): number;
}

export interface Dataplane {
  /** null where no host's sockets are in front of the dataplane. */
  readonly checkLeads: CheckLeads | null;
  readonly facts: DeviceFacts;
  readonly limits: Limits;
  /** Swap in a whole new snapshot at once. Returns its generation. Throws and changes nothing when it is invalid. */
  publish(snapshot: SnapshotSpec): number;
  /** The same, told by what has changed; costs little where little did. */
  update(delta: SnapshotDelta): number;
  /** Of the last of these: from the moment the first queue was told until all worked with it, or a second was over. */
  swapSeconds(): number;
  /** Steps the cycle plan in this service slot has taken; `ServiceCounters.cursor` of one service. */
  cursor(serviceSlot: number): number;
  /** `ServerCounters` of one server, as far as it is about now. */
  load(serverSlot: number): ServerLoad;
  /** Signs of trouble of those that had packets since the last call with this watch; signs.ts decodes the rows. */
  signs(watch: SignsWatch): Float64Array;
  /**
   * Ends connections, by the threads that move packets, a bounded number at a time; calls are obeyed one after the other.
   * Resolves with how many it were.
   */
  endFlows(selection: FlowSelection, ending: Ending): Promise<number>;
  /** Turn the defences on or off; takes effect with the next packet, without a new snapshot. */
  defend(defence: DefenceSpec): void;
  /** Whether translated packets may leave as frames, past the kernel's second routing; from the next packet on. */
  direct(on: boolean): void;
  /**
   * Takes packets of virtual services straight from these interfaces, by index, and from no others (docs/ways.md). Returns
   * how many of them refused.
   */
  takeDirectly(interfaces: readonly number[]): number;
  counters(part?: CountersPart): Counters;
  /** Walk the flow table, then the templates, a page at a time; rows are copied shard by shard, so the walk never stops traffic. */
  flows(cursor: number, limit: number): FlowPage;
  /** Why packets can no longer be moved (the device was deleted under us), or null while all is well. */
  failure(): string | null;
  /** Stop the threads, join them, close the queues. Idempotent; every other call throws afterwards. */
  close(): void;
}

/** How a TUN dataplane is opened. */
export interface TunOptions {
  readonly name: string;
  readonly queues: number;
  readonly offload: 'auto' | 'off';
  readonly flowCapacity: number;
  /** 'auto': eBPF where bpf() allows. 'off' and 'random' exist for machines without it and for tests. */
  readonly steering: 'auto' | 'off' | 'random';
  /** Whether packets may be taken straight from interfaces, once takeDirectly() says so. */
  readonly ingress: boolean;
  /** Whether packets may leave as frames, once direct() says so. */
  readonly egress: boolean;
  /** How packets cross the device. 'uring' fails where the kernel refuses; 'auto' reads and writes there. */
  readonly io: 'auto' | 'uring' | 'poll';
  /** Fixed for the dataplane's life; native.ts has a default. */
  readonly limits?: Limits;
}

export interface DropReason {
  readonly name: string;
  readonly help: string;
}
