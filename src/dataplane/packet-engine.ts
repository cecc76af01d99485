// SPDX-License-Identifier: Apache-2.0
/** A dataplane that is handed its packets instead of fetching them: what tests, replay and packet streams drive. */

export interface MemoryPacket {
  /** The queue the packet arrives on; 0 when absent. */
  readonly queue?: number;
  /** One whole IP packet. */
  readonly packet: Uint8Array;
  /** The virtio header it was read with; ten zero bytes when absent. */
  readonly vnet?: Uint8Array;
  /** Whole monotonic milliseconds; expiry follows this clock and no other. */
  readonly nowMs: number;
}

/** A packet that leaves. */
export interface OutputPacket {
  readonly packet: Uint8Array;
  readonly vnet: Uint8Array;
}

/** What became of a packet. */
export interface ProcessedPacket {
  readonly outputs: readonly OutputPacket[];
  /** forwarded, passed, generated, or the name of a drop reason. */
  readonly verdict: string;
}

export interface PacketEngine {
  process(packet: MemoryPacket): ProcessedPacket;
  expire(nowMs: number): void;
}
