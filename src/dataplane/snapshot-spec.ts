// SPDX-License-Identifier: Apache-2.0
/**
 * A decision, as it crosses to the C++ side: services, their servers and plans, and what holds for all of them. The addon
 * checks each of these again (native/napi/decode.cc).
 */
import type { Plan } from '../model/plan.js';

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
