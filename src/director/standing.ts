// SPDX-License-Identifier: Apache-2.0
/**
 * What a service does with what is known of its servers: from the desired service, what its checks say and an operator
 * wants, and the time, to the weights that are published. Pure, one service at a time; what it remembers from one
 * judgement to the next is its own result.
 *
 *   health   a server that is down has weight 0, and nothing may bring a new connection to it (`withdrawn`);
 *            one without a verdict yet counts as up when its service is new, and waits when it joins others
 *   wishes   disabled or drained: weight 0, and its persistent clients stay until the deadline
 *   tier     servers that are no backups; backups only while none of those can serve
 *   quorum   lost: the sorry servers serve in the place of all others
 *   share    slow start and the agent's percentage, of the weight
 */
import { serverId, type DrainPolicy, type RealServer, type VirtualService } from '../model/index.js';
import { once } from './once.js';
import { rampShare, stepAfter } from './slow-start.js';
import { scaledWeights } from './scale.js';

/** What checks say of one server; health/monitor.ts. */
export interface Observed {
  readonly verdict: 'unknown' | 'up' | 'down';
  /** Of an agent, module or exec check; null: all of its weight. */
  readonly weightPercent: number | null;
  /** No new connections, says the agent. */
  readonly drainAsked: boolean;
}

/** new: it joined others and has no answer of its checks yet. */
export type Health = 'up' | 'down' | 'new';

/** Why a server has the weight it has. */
export type Place =
  /** It gets its share. */
  | 'serving'
  /** A backup that is not needed. */
  | 'backup'
  /** The quorum is lost and the sorry servers serve in its place. */
  | 'held'
  | 'down'
  | 'new'
  | 'disabled'
  /** Disabled, and it has until its deadline. */
  | 'draining'
  /** Weight 0, by configuration or by its agent. */
  | 'quiesced';

export interface Drain {
  readonly policy: DrainPolicy;
  readonly since: number;
  /** When what is left is ended; null: never. */
  readonly endsAt: number | null;
  readonly isOver: boolean;
}

export interface ServerStanding {
  readonly server: string;
  readonly health: Health;
  /** Since when it has that health. */
  readonly since: number;
  readonly place: Place;
  /** When its slow start began; null when it is over. */
  readonly rampFrom: number | null;
  /** 0..1: how much of its weight it is to have. */
  readonly share: number;
  readonly drain: Drain | null;
}

/** A server as it is published. */
export interface EffectiveServer extends RealServer {
  /** No template of persistence and no connection that has had no answer may bring it another packet. Left out: they may. */
  readonly withdrawn?: boolean;
}

export interface EffectiveService extends VirtualService {
  readonly servers: readonly EffectiveServer[];
}

export interface ServiceStanding {
  readonly service: VirtualService;
  readonly servers: readonly ServerStanding[];
  readonly quorum: 'met' | 'lost';
  /** Serving, kept for the connections they have, or not there. */
  readonly sorry: 'serving' | 'lingering' | 'absent';
  readonly effective: EffectiveService;
  /** When the passing of time alone asks for another judgement; null: never. */
  readonly nextAt: number | null;
}

export interface Situation {
  /** By server id; undefined: nobody checks it. */
  readonly observe: (server: string) => Observed | undefined;
  /** Whether anything is still connected to this sorry server. */
  readonly lingers: (server: string) => boolean;
  /** Milliseconds of any clock that only goes forward. */
  readonly now: number;
}

/** How soon sorry servers that nobody needs are asked whether they are empty. */
const lingerMs = 5_000;

/** `before` is the judgement before this one; undefined: the service is new. */
export function judge(
  service: VirtualService,
  before: ServiceStanding | undefined,
  situation: Situation,
): ServiceStanding {
  const former = before && formerly(before);
  const members = service.servers.map((server, index) =>
    judgeServer(service, server, former && { standing: former(serverId(server), index) }, situation),
  );
  const tier = servingTier(members);
  const quorum = judgeQuorum(service, before?.quorum, members, tier);
  const sorry = judgeSorry(service, before, quorum, situation);
  const servers = members.map((member) => standingOf(member, isInTier(member, tier), sorry === 'serving'));
  return {
    service,
    servers,
    quorum,
    sorry,
    effective: effectiveOf(service, servers, sorry, before?.effective),
    nextAt: nextOf(service, servers, sorry, situation.now),
  };
}

/** How a server stood, given where it stands now: looked for by name only where servers have moved. */
export function formerly({
  servers,
}: ServiceStanding): (server: string, index: number) => ServerStanding | undefined {
  const byName = once(() => new Map(servers.map((standing) => [standing.server, standing])));
  return (server, index) => {
    const here = servers[index];
    return here?.server === server ? here : byName().get(server);
  };
}

interface Member extends Omit<ServerStanding, 'server' | 'place'> {
  readonly id: string;
  readonly server: RealServer;
  readonly drainAsked: boolean;
}

/** `former`: how the server was judged before, if it was there; undefined: the service is new. */
function judgeServer(
  service: VirtualService,
  server: RealServer,
  former: { readonly standing: ServerStanding | undefined } | undefined,
  { observe, now }: Situation,
): Member {
  const id = serverId(server);
  const before = former?.standing;
  const isNewService = former === undefined;
  const isChecked = server.checked && service.health.length > 0;
  const observed = isChecked ? observe(id) : undefined;
  const assumed = before?.health ?? (isNewService || !isChecked ? 'up' : 'new');
  const verdict = observed?.verdict ?? 'unknown';
  const health = !isChecked ? 'up' : verdict === 'unknown' ? assumed : verdict;
  const drain = judgeDrain(service, server, before, isNewService, now);
  const couldServe = before === undefined ? isNewService : before.health === 'up' && before.drain === null;
  const canServe = health === 'up' && drain === null;
  const began = canServe ? (couldServe ? (before?.rampFrom ?? null) : now) : null;
  const ramp = service.slowStart === null || began === null ? 1 : rampShare(service.slowStart, now - began);
  return {
    id,
    server,
    drainAsked: observed?.drainAsked === true,
    health,
    since: before?.health === health ? before.since : now,
    rampFrom: ramp < 1 ? began : null,
    share: (ramp * Math.min(100, Math.max(0, observed?.weightPercent ?? 100))) / 100,
    drain,
  };
}

// Written out key by key here and below: copying with ... costs ten times as much, and there may be many servers.

const standingOf = (member: Member, isServing: boolean, isHeld: boolean): ServerStanding => ({
  server: member.id,
  health: member.health,
  since: member.since,
  place: placeOf(member, isServing, isHeld),
  rampFrom: member.rampFrom,
  share: member.share,
  drain: member.drain,
});

function judgeDrain(
  service: VirtualService,
  server: RealServer,
  before: ServerStanding | undefined,
  isNewService: boolean,
  now: number,
): Drain | null {
  if (!server.disabled) return null;
  const policy = server.drain ?? service.drain;
  const old = before?.drain ?? null;
  const isOld =
    old !== null && old.policy.deadlineSeconds === policy.deadlineSeconds && old.policy.then === policy.then;
  if (isOld) return { ...old, isOver: old.endsAt !== null && old.endsAt <= now };
  // A service that begins with a disabled server has nothing to drain.
  const { deadlineSeconds } = isNewService ? { deadlineSeconds: null } : policy;
  const since = old?.since ?? now;
  const endsAt = deadlineSeconds === null ? null : now + deadlineSeconds * 1000;
  return { policy, since, endsAt, isOver: endsAt !== null && endsAt <= now };
}

const isUsable = ({ server, drain, share, drainAsked }: Member): boolean =>
  server.weight > 0 && drain === null && share > 0 && !drainAsked;

/** The servers that serve together: all that are, or are not, backups and have this health. */
interface Tier {
  readonly backup: boolean;
  readonly health: Health;
}

/** A new server serves before a backup does. */
const tiers: readonly Tier[] = [
  { backup: false, health: 'up' },
  { backup: false, health: 'new' },
  { backup: true, health: 'up' },
  { backup: true, health: 'new' },
];

const servingTier = (members: readonly Member[]): Tier | undefined =>
  tiers.find((tier) => members.some((member) => isInTier(member, tier)));

const isInTier = (member: Member, tier: Tier | undefined): boolean =>
  member.server.backup === tier?.backup && member.health === tier.health && isUsable(member);

function judgeQuorum(
  { quorum, servers }: VirtualService,
  before: 'met' | 'lost' | undefined,
  members: readonly Member[],
  tier: Tier | undefined,
): 'met' | 'lost' {
  if (tier === undefined || quorum === null) return tier === undefined ? 'lost' : 'met';
  const sum = members.reduce(
    (total, member) => total + (isInTier(member, tier) ? member.server.weight : 0),
    0,
  );
  // Never more than all of them together, or it would be lost for ever.
  const all = servers.reduce((total, { weight }) => total + weight, 0);
  const margin = before === 'lost' ? quorum.hysteresis : before === 'met' ? -quorum.hysteresis : 0;
  return sum >= Math.min(quorum.weight + margin, all) ? 'met' : 'lost';
}

function judgeSorry(
  service: VirtualService,
  before: ServiceStanding | undefined,
  quorum: 'met' | 'lost',
  { lingers }: Situation,
): ServiceStanding['sorry'] {
  if (sorryOf(service).length === 0) return 'absent';
  if (quorum === 'lost') return 'serving';
  if (before === undefined || before.sorry === 'absent') return 'absent';
  return sorryOf(service).some((server) => lingers(serverId(server))) ? 'lingering' : 'absent';
}

/** A server that is one of the service's own does not stand in for itself. */
function sorryOf({ servers, sorryServers }: VirtualService): readonly RealServer[] {
  if (sorryServers.length === 0) return sorryServers;
  const own = new Set(servers.map(serverId));
  return sorryServers.filter((server) => !own.has(serverId(server)));
}

function placeOf(
  { server, health, drain, share, drainAsked }: Member,
  isServing: boolean,
  isHeld: boolean,
): Place {
  if (drain !== null) return drain.endsAt !== null && !drain.isOver ? 'draining' : 'disabled';
  if (health === 'down') return 'down';
  if (server.weight === 0 || share === 0 || drainAsked) return 'quiesced';
  if (isServing) return isHeld ? 'held' : 'serving';
  return health === 'new' ? 'new' : 'backup';
}

/** Where nothing is to be different from what is configured, that itself. */
function effectiveOf(
  service: VirtualService,
  standings: readonly ServerStanding[],
  sorry: ServiceStanding['sorry'],
  before: EffectiveService | undefined,
): EffectiveService {
  if (
    sorry === 'absent' &&
    standings.every((standing, index) => isAsConfigured(standing, service.servers[index]))
  )
    return before !== undefined && isSame(before, service) ? before : service;
  const weights = scaledWeights(
    service.scheduler,
    service.servers.map((server, index) => {
      const standing = standings[index];
      return standing?.place === 'serving' ? { weight: server.weight, share: standing.share } : null;
    }),
  );
  const servers: EffectiveServer[] = service.servers.map((server, index) => {
    const { health, place, drain } = standings[index] ?? { health: 'up', place: 'serving', drain: null };
    return {
      ...server,
      weight: weights[index] ?? server.weight,
      withdrawn: health === 'down' || place === 'held' || drain?.isOver === true,
    };
  });
  if (sorry !== 'absent') {
    const isServing = sorry === 'serving';
    for (const server of sorryOf(service)) {
      servers.push({
        ...server,
        weight: isServing ? server.weight : (0 as RealServer['weight']),
        withdrawn: !isServing,
      });
    }
  }
  const made = { ...service, servers };
  return before !== undefined && isSame(before, made) ? before : made;
}

const isAsConfigured = ({ place, share }: ServerStanding, server: RealServer | undefined): boolean =>
  place === 'serving' ? share === 1 : place === 'quiesced' && server?.weight === 0;

/** The very object of before tells compile() that there is nothing to do. */
function isSame(before: EffectiveService, made: EffectiveService): boolean {
  const keys = Object.keys(made) as (keyof VirtualService)[];
  return (
    keys.every((key) => key === 'servers' || before[key] === made[key]) &&
    before.servers.length === made.servers.length &&
    before.servers.every((old, index) => {
      const now = made.servers[index];
      return now !== undefined && sameServer(old, now);
    })
  );
}

const sameServer = (a: EffectiveServer, b: EffectiveServer): boolean =>
  a.address === b.address &&
  a.port === b.port &&
  a.weight === b.weight &&
  isWithdrawn(a) === isWithdrawn(b) &&
  a.upperThreshold === b.upperThreshold &&
  a.lowerThreshold === b.lowerThreshold &&
  a.routed === b.routed;

const isWithdrawn = ({ withdrawn }: EffectiveServer): boolean => withdrawn === true;

function nextOf(
  { slowStart }: VirtualService,
  servers: readonly ServerStanding[],
  sorry: ServiceStanding['sorry'],
  now: number,
): number | null {
  let next = sorry === 'lingering' ? now + lingerMs : Infinity;
  for (const { rampFrom, drain } of servers) {
    if (slowStart !== null && rampFrom !== null)
      next = Math.min(next, rampFrom + stepAfter(slowStart, now - rampFrom));
    if (drain !== null && drain.endsAt !== null && !drain.isOver) next = Math.min(next, drain.endsAt);
  }
  return next === Infinity ? null : next;
}
