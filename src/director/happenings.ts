// SPDX-License-Identifier: Apache-2.0
/** What a change of standing means, in words: from transitions to events. Pure. */
import type { CheckedState } from '../health/state.js';
import type { NewEvent } from './events.js';
import type { Transition } from './reconciler.js';
import { formerly, type ServerStanding, type ServiceStanding } from './standing.js';

/** More of one kind at once are told as one event: hundreds of servers may fail with one switch. */
const mostOfOneKind = 100;

/** Why a server has its health: what its checks said last. */
export type Reason = (service: string, server: string) => CheckedState | undefined;

export function happenings(transitions: readonly Transition[], reason: Reason): readonly NewEvent[] {
  const all = transitions.flatMap(({ before, after }) =>
    before === undefined ? [] : [...serviceEvents(before, after), ...serverEvents(before, after, reason)],
  );
  return [...new Set(all.map(({ kind }) => kind))].flatMap((kind) => {
    const events = all.filter((event) => event.kind === kind);
    const rest = events.slice(mostOfOneKind);
    return rest.length === 0 ? events : [...events.slice(0, mostOfOneKind), summary(kind, rest)];
  });
}

function summary(kind: NewEvent['kind'], events: readonly NewEvent[]): NewEvent {
  const services = new Set(events.map(({ service }) => service)).size;
  return {
    kind,
    text: `${events.length} more events of this kind at once, in ${services} services`,
    detail: { events: events.length, services },
  };
}

function* serviceEvents(before: ServiceStanding, after: ServiceStanding): Generator<NewEvent> {
  const { name, sorryServers } = after.service;
  const event = (text: string): NewEvent => ({
    kind: 'standing',
    service: name,
    text: `service ${name}: ${text}`,
    detail: { quorum: after.quorum, sorry: after.sorry },
  });
  if (before.quorum !== after.quorum) {
    const isLost = after.quorum === 'lost';
    const stands = sorryServers.length > 0 ? '; its sorry servers serve' : '';
    const nobody = after.servers.every(({ place }) => place !== 'serving');
    if (isLost) yield event(nobody && stands === '' ? 'no server can serve' : `the quorum is lost${stands}`);
    else yield event('the quorum is met again');
  }
  const onBackups = backupsServe(after);
  if (backupsServe(before) !== onBackups)
    yield event(onBackups ? 'its backup servers serve' : 'its backup servers are not needed any more');
}

function backupsServe({ service, servers }: ServiceStanding): boolean {
  return servers.some(({ place }, index) => place === 'serving' && service.servers[index]?.backup === true);
}

function* serverEvents(before: ServiceStanding, after: ServiceStanding, reason: Reason): Generator<NewEvent> {
  const former = formerly(before);
  for (const [index, standing] of after.servers.entries()) {
    const old = former(standing.server, index);
    if (old === undefined || old === standing) continue;
    yield* healthEvents(after.service.name, old, standing, reason);
    yield* drainEvents(after.service.name, old, standing);
  }
}

function* healthEvents(
  service: string,
  before: ServerStanding,
  { server, health }: ServerStanding,
  reason: Reason,
): Generator<NewEvent> {
  if (before.health === health) return;
  const checks = reason(service, server)?.checks ?? [];
  const said = checks.find(({ verdict }) => verdict === health) ?? checks[0];
  const why =
    said === undefined || said.lastMessage === '' ? '' : `: ${said.kind} check: ${said.lastMessage}`;
  yield {
    kind: 'health',
    service,
    server,
    text: `server ${server} of ${service} is ${health}${why}`,
    detail: {
      health,
      before: before.health,
      check: said?.kind ?? null,
      reason: said?.lastReason ?? null,
      message: said?.lastMessage ?? null,
    },
  };
}

function* drainEvents(
  service: string,
  { drain: before }: ServerStanding,
  { server, drain }: ServerStanding,
): Generator<NewEvent> {
  const event = (text: string, what: string): NewEvent => ({
    kind: 'drain',
    service,
    server,
    text: `server ${server} of ${service} ${text}`,
    detail: { what },
  });
  if (before === null && drain !== null) {
    const { deadlineSeconds } = drain.policy;
    const until =
      drain.endsAt === null || deadlineSeconds === null
        ? ''
        : `; what is left in ${deadlineSeconds} s is ended`;
    yield event(`gets no new connections${until}`, 'begun');
  }
  if (before !== null && drain === null) yield event('gets new connections again', 'taken back');
}
