// SPDX-License-Identifier: Apache-2.0
/**
 * The running configuration joined with the dataplane's counters: what metrics, the admin API and the library show.
 * Slots end here; outside the director everything has its name.
 */
import type {
  Counters,
  FlowRow,
  ListenSpec,
  ServerCounters,
  ServiceCounters,
} from '../dataplane/dataplane.js';
import { noSignals } from '../dataplane/signals.js';
import type { Persistence, PlanFailures } from '../model/index.js';
import { Listing } from './listing.js';
import { serverSince, serviceSince, type SlotPast } from './past.js';
import type { Health, Place, ServerStanding, ServiceStanding } from './standing.js';

/** What a server is allowed to do, and why. */
export interface StandingReport {
  /** `sorry`: a sorry server, which is listed only while it is needed or has connections left. */
  readonly place: Place | 'sorry';
  /** null: nobody checks it. */
  readonly health: Health | null;
  /** For how long it has that health. */
  readonly healthSeconds: number;
  /** 0..1: what slow start and an agent leave of its weight. */
  readonly share: number;
  /** The weight it works with: 0 unless it serves; in the configuration's units, so it may be a fraction. */
  readonly effectiveWeight: number;
  /** Until what it still has is ended; null: not at all. */
  readonly drainSeconds: number | null;
}

/** A real server with its numbers since the start. */
export interface ServerReport extends Omit<ServerCounters, 'slot'> {
  /** address:port, the server's identity. */
  readonly server: string;
  /** As desired. */
  readonly weight: number;
  readonly standing: StandingReport;
}

/** A virtual service with its servers and numbers since the start. */
export interface ServiceReport {
  readonly service: string;
  readonly listen: readonly ListenSpec[];
  readonly scheduler: string;
  readonly persistence: Persistence | null;
  readonly mark: number | null;
  readonly onePacket: boolean;
  readonly connections: number;
  readonly scheduleFailures: number;
  /** Plans of a custom scheduler that failed; the last good one stayed. null: the scheduler is one of the kernel's. */
  readonly planFailures: PlanFailures | null;
  /** lost: the sorry servers serve, where there are any. */
  readonly quorum: 'met' | 'lost';
  readonly servers: readonly ServerReport[];
}

/** The same, with each server put together when it is asked for. */
export interface ServiceListing extends Omit<ServiceReport, 'servers'> {
  readonly servers: Listing<ServerReport>;
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

export interface ReportedService {
  readonly placed: PlacedService;
  readonly planFailures: PlanFailures | null;
  readonly standing: ServiceStanding | undefined;
}

/** What all numbers of one report come from; none of it changes, so a report that is read bit by bit is of one moment. */
export interface Reading {
  readonly counters: Counters;
  readonly past: SlotPast;
  readonly now: number;
}

/** A slot the counters do not mention yet counts as zero: the snapshot may be younger than they are. */
export const listServices = (
  services: readonly ReportedService[],
  reading: Reading,
): Listing<ServiceListing> =>
  new Listing(
    services.length,
    (index) => services[index]?.placed.service ?? '',
    (index) => listService(services[index] as ReportedService, reading),
  );

function listService(
  { placed, planFailures, standing }: ReportedService,
  { counters, past, now }: Reading,
): ServiceListing {
  const { servers: members } = placed;
  const counted = countedService(placed.slot, counters, past);
  return {
    service: placed.service,
    listen: placed.listen,
    scheduler: placed.scheduler,
    persistence: placed.persistence,
    mark: placed.mark,
    onePacket: placed.onePacket,
    connections: counted?.connections ?? 0,
    scheduleFailures: counted?.scheduleFailures ?? 0,
    planFailures,
    quorum: standing?.quorum ?? 'met',
    servers: new Listing(
      members.length,
      (index) => members[index]?.server ?? '',
      (index) => {
        const { server, slot, weight } = members[index] as PlacedService['servers'][number];
        const numbers = countedServer(slot, counters, past);
        return {
          server,
          ...standingOf(standing, index, weight, now),
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
      },
    ),
  };
}

/** The counters of a slot as if it had begun with its present owner. */
export function countedServer(slot: number, counters: Counters, past: SlotPast): ServerCounters | undefined {
  const now = counters.serverAt(slot);
  return now && serverSince(now, past.servers.get(slot));
}

export function countedService(
  slot: number,
  counters: Counters,
  past: SlotPast,
): ServiceCounters | undefined {
  const now = counters.serviceAt(slot);
  return now && serviceSince(now, past.services.get(slot));
}

/** Everything at once. */
export const wholeService = (service: ServiceListing): ServiceReport => ({
  ...service,
  servers: [...service.servers],
});

/** Published servers are the service's own in their order, and then sorry ones. */
function standingOf(
  service: ServiceStanding | undefined,
  index: number,
  published: number,
  now: number,
): Pick<ServerReport, 'weight' | 'standing'> {
  const own = service?.servers[index];
  const desired = service?.service.servers[index];
  if (service === undefined || own === undefined || desired === undefined) {
    return { weight: published, standing: { ...sorryStanding, effectiveWeight: published } };
  }
  const isChecked = service.service.health.length > 0 && desired.checked;
  return {
    weight: desired.weight,
    standing: {
      place: own.place,
      health: isChecked ? own.health : null,
      healthSeconds: Math.max(0, now - own.since) / 1000,
      share: own.share,
      effectiveWeight: own.place === 'serving' ? desired.weight * own.share : 0,
      drainSeconds: drainSecondsOf(own, now),
    },
  };
}

const sorryStanding: StandingReport = {
  place: 'sorry',
  health: null,
  healthSeconds: 0,
  share: 1,
  effectiveWeight: 0,
  drainSeconds: null,
};

function drainSecondsOf({ drain }: ServerStanding, now: number): number | null {
  if (drain === null || drain.endsAt === null || drain.isOver) return null;
  return Math.max(0, drain.endsAt - now) / 1000;
}

/** One tracked connection as users see it: a flow row with the service's name instead of slots. */
export interface ConnectionRow extends Omit<FlowRow, 'serviceSlot' | 'serverSlot'> {
  /** null when the service has left the configuration and its connections live on. */
  readonly service: string | null;
}

/** Some of the tracked connections, and where to go on. */
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
    ...(row.callId !== undefined && { callId: row.callId }),
  };
}
