// SPDX-License-Identifier: Apache-2.0
/**
 * The running configuration joined with the dataplane's counters: what metrics, the admin API and the library show.
 * Slots end here; outside the director everything has its name.
 */
import type { Counters, FlowRow, ListenSpec } from '../dataplane/dataplane.js';
import { noSignals, type ServerSignals } from '../dataplane/signals.js';
import type { Persistence } from '../model/index.js';

export interface ServerReport {
  /** address:port, the server's identity. */
  readonly server: string;
  readonly weight: number;
  readonly active: number;
  readonly inactive: number;
  /** Client networks remembered for it. */
  readonly persistent: number;
  readonly overloaded: boolean;
  readonly connections: number;
  readonly inPackets: number;
  readonly inBytes: number;
  readonly outPackets: number;
  readonly outBytes: number;
  /** Handshake times, retransmissions and the like, as seen in passing. */
  readonly signals: ServerSignals;
}

export interface ServiceReport {
  readonly service: string;
  readonly listen: readonly ListenSpec[];
  readonly scheduler: string;
  readonly persistence: Persistence | null;
  readonly mark: number | null;
  readonly onePacket: boolean;
  readonly connections: number;
  readonly scheduleFailures: number;
  readonly servers: readonly ServerReport[];
}

/** Where a configured service lives in the dataplane. */
export interface PlacedService {
  readonly service: string;
  readonly slot: number;
  readonly listen: readonly ListenSpec[];
  readonly scheduler: string;
  readonly persistence: Persistence | null;
  readonly mark: number | null;
  readonly onePacket: boolean;
  readonly servers: readonly { readonly server: string; readonly slot: number; readonly weight: number }[];
}

/** A slot the counters do not mention yet counts as zero: the snapshot may be younger than they are. */
export function reportServices(
  placed: readonly PlacedService[],
  counters: Counters,
): readonly ServiceReport[] {
  const services = new Map(counters.services.map((service) => [service.slot, service]));
  const servers = new Map(counters.servers.map((server) => [server.slot, server]));
  return placed.map((place) => {
    const { slot, servers: members } = place;
    const counted = services.get(slot);
    return {
      service: place.service,
      listen: place.listen,
      scheduler: place.scheduler,
      persistence: place.persistence,
      mark: place.mark,
      onePacket: place.onePacket,
      connections: counted?.connections ?? 0,
      scheduleFailures: counted?.scheduleFailures ?? 0,
      servers: members.map((member) => {
        const numbers = servers.get(member.slot);
        return {
          server: member.server,
          weight: member.weight,
          active: numbers?.active ?? 0,
          inactive: numbers?.inactive ?? 0,
          persistent: numbers?.persistent ?? 0,
          overloaded: numbers?.overloaded ?? false,
          connections: numbers?.connections ?? 0,
          inPackets: numbers?.inPackets ?? 0,
          inBytes: numbers?.inBytes ?? 0,
          outPackets: numbers?.outPackets ?? 0,
          outBytes: numbers?.outBytes ?? 0,
          signals: numbers?.signals ?? noSignals,
        };
      }),
    };
  });
}

/** One tracked connection as users see it: a flow row with the service's name instead of slots. */
export interface ConnectionRow extends Omit<FlowRow, 'serviceSlot' | 'serverSlot'> {
  /** null when the service has left the configuration and its connections live on. */
  readonly service: string | null;
}

export interface ConnectionPage {
  readonly rows: readonly ConnectionRow[];
  readonly next: number | null;
}

export function connectionOf(row: FlowRow, service: string | null): ConnectionRow {
  return {
    service,
    protocol: row.protocol,
    state: row.state,
    expiresInSeconds: row.expiresInSeconds,
    clientAddress: row.clientAddress,
    clientPort: row.clientPort,
    virtualAddress: row.virtualAddress,
    virtualPort: row.virtualPort,
    realAddress: row.realAddress,
    realPort: row.realPort,
    queue: row.queue,
  };
}
