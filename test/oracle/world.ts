// SPDX-License-Identifier: Apache-2.0
/** What a scenario is played in: a director between a client and three servers, its knobs, and what it says of itself. */
import type { Host } from './lab.js';

export interface Capture {
  readonly at: Host;
  /** An IP packet, without Ethernet. */
  readonly bytes: Buffer;
}

export interface Connection {
  readonly protocol: string;
  readonly state: string;
  readonly client: string;
  readonly virtual: string;
  readonly real: string;
  readonly expiresInSeconds: number;
  readonly callId?: string;
}

export interface Listener {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly address: string;
  readonly port: number;
}

export interface ServerLine {
  readonly server: string;
  readonly weight: number;
  readonly active: number;
  readonly inactive: number;
}

/** Settings only vsnat has, for scenarios that ask it for the kernel's way. */
export type VsnatSettings = Readonly<Record<string, unknown>>;

export interface World {
  /** A new scenario: whatever the last one configured is gone. `sysctls` are net.ipv4.vs's. */
  begin(settings: VsnatSettings, sysctls: Readonly<Record<string, number>>): Promise<void>;
  /** The scenario is over: what it configured may go. */
  end(): Promise<void>;
  /** Lines of ipvsadm's, without its name. */
  ipvsadm(lines: readonly string[]): Promise<void>;
  /** Packets to these listeners belong to the service `-f MARK`. */
  mark(mark: number, listeners: readonly Listener[]): Promise<void>;
  /** Puts an IP packet on the wire; everything that left anywhere because of it. */
  send(from: Host, packet: Buffer): Promise<readonly Capture[]>;
  /** Lets time pass. */
  wait(milliseconds: number): Promise<readonly Capture[]>;
  connections(): Promise<readonly Connection[]>;
  /** `service` is `-t ADDRESS:PORT` or `-u …`. */
  servers(service: string): Promise<readonly ServerLine[]>;
}

/**
 * The service behind the fence (player.cc). Its server never gets anything: a packet "from" it has no connection, so
 * it goes through the director and out unchanged, and takes with it everything that was queued before.
 */
export const fence = {
  service: '10.9.0.1:9',
  server: '10.2.1.2:9',
  to: '10.1.0.2:9',
} as const;
