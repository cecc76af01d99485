// SPDX-License-Identifier: Apache-2.0
/**
 * The seam between deciding and moving: everything TypeScript may ask of the C++ side, and nothing else.
 * native.ts implements it with the addon, fake.ts in memory for tests. A decision crosses as one immutable
 * `SnapshotSpec`; facts come back as counters and rows.
 */
import type { Counters, CountersPart } from './counted.js';
import type { SignsWatch } from './signs.js';
import type { ProtocolName, SnapshotDelta, SnapshotSpec } from './snapshot-spec.js';

export type * from './counted.js';
export type * from './snapshot-spec.js';

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
  /** Whether connections that carry much go through the kernel alone, while ingress and egress are both direct. */
  readonly shortcuts: boolean;
  /** Whether packets cross the device by io_uring, a burst with one system call. */
  readonly uring: boolean;
  /** Why not; null when nobody asked for it, or it does. */
  readonly uringRefusal: string | null;
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

export interface ServerLoad {
  readonly active: number;
  readonly inactive: number;
  readonly persistent: number;
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
  /** Whether connections that carry much may go through the kernel alone, where ingress and egress are direct. */
  readonly shortcuts: boolean;
  /** How packets cross the device. 'uring' fails where the kernel refuses; 'auto' reads and writes there. */
  readonly io: 'auto' | 'uring' | 'poll';
  /** Fixed for the dataplane's life; native.ts has a default. */
  readonly limits?: Limits;
}

export interface DropReason {
  readonly name: string;
  readonly help: string;
}
