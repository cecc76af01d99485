// SPDX-License-Identifier: Apache-2.0
/**
 * What separates two configurations, as data: printed by `vsnat reload`, logged, and the reason to do nothing at all
 * when it is empty. Pure, so a change can be shown before it is made.
 */
import {
  formatEndpoint,
  formatListen,
  formatMarkRule,
  serverId,
  sysctlNames,
  type AdminTls,
  type DrainPolicy,
  type Endpoint,
  type Model,
  type RealServer,
  type VirtualService,
} from '../model/index.js';
import type { Change } from './difference.js';
import { diffStanding } from './diff-standing.js';
import { sameServers } from './reuse.js';

export { describeChange, type Change } from './difference.js';

/** Changes from `running` (null before the first) to `wanted`, in the order of the configuration. */
export function diffModels(running: Model | null, wanted: Model): readonly Change[] {
  return [...diffing(running, wanted)];
}

/** The same, found out one after the other. */
export function* diffing(running: Model | null, wanted: Model): Generator<Change, void, undefined> {
  if (running !== null) yield* diffSettings(running, wanted);
  yield* diffServices(running?.services ?? [], wanted.services);
}

/** `wanted` as far as it can be obeyed without a restart: what the director works with until then. */
export function withoutRestart(running: Model, wanted: Model): Model {
  return {
    ...running,
    services: wanted.services,
    marks: wanted.marks,
    ipvs: wanted.ipvs,
    admin: { ...running.admin, runTimeChanges: wanted.admin.runTimeChanges },
    metrics: { ...wanted.metrics, listen: running.metrics.listen },
    log: { ...running.log, level: wanted.log.level },
  };
}

/** Every setting beside the services, as text. */
const settings: readonly (readonly [
  property: string,
  effect: 'now' | 'restart',
  read: (model: Model) => string,
])[] = [
  ['marks', 'now', ({ marks }) => marks.map(formatMarkRule).join(' ') || 'none'],
  ['tun.name', 'restart', ({ tun }) => tun.name],
  ['tun.queues', 'restart', ({ tun }) => String(tun.queues)],
  ['tun.offload', 'restart', ({ tun }) => tun.offload],
  ['tun.mtu', 'restart', ({ tun }) => String(tun.mtu)],
  ['tun.steering', 'restart', ({ tun }) => tun.steering],
  ['tun.ingress', 'restart', ({ tun }) => tun.ingress],
  ['tun.egress', 'restart', ({ tun }) => tun.egress],
  ['tun.shortcut', 'restart', ({ tun }) => tun.shortcut],
  ['tun.io', 'restart', ({ tun }) => tun.io],
  ['flows.capacity', 'restart', ({ flows }) => String(flows.capacity)],
  ['admin.socket', 'restart', ({ admin }) => admin.socket],
  ['admin.mode', 'restart', ({ admin }) => `0${admin.mode.toString(8)}`],
  ['admin.group', 'restart', ({ admin }) => String(admin.group ?? 'none')],
  ['admin.listen', 'restart', ({ admin }) => listenText(admin.listen)],
  ['admin.token_file', 'restart', ({ admin }) => admin.tokenFile ?? 'none'],
  ['admin.tls', 'restart', ({ admin }) => tlsText(admin.tls)],
  ['admin.run_time_changes', 'now', ({ admin }) => admin.runTimeChanges],
  ['metrics.listen', 'restart', ({ metrics }) => listenText(metrics.listen)],
  ['metrics.node_ipvs', 'now', ({ metrics }) => String(metrics.nodeIpvs)],
  ['metrics.max_series', 'now', ({ metrics }) => String(metrics.maxSeries)],
  ['log.format', 'restart', ({ log }) => log.format],
  ['log.level', 'now', ({ log }) => log.level],
  ['ipvs.removed_servers', 'now', ({ ipvs }) => ipvs.removedServers],
  ['ipvs.one_packet_replies', 'now', ({ ipvs }) => ipvs.onePacketReplies],
  ['ipvs.expire_nodest_conn', 'now', ({ ipvs }) => String(ipvs.expireNodestConn)],
  ...sysctlNames.map(
    (name) => [`ipvs.${name}`, 'now', ({ ipvs }: Model) => String(ipvs.sysctls[name])] as const,
  ),
];

function* diffSettings(running: Model, wanted: Model): Generator<Change> {
  for (const [property, effect, read] of settings) {
    yield* changed('setting', '', property, read(running), read(wanted), effect);
  }
}

/** The same of services alone, found out one after the other. */
export function* diffServices(
  running: readonly VirtualService[],
  wanted: readonly VirtualService[],
): Generator<Change, void, undefined> {
  const before = new Map(running.map((service) => [service.name, service]));
  const after = new Set(wanted.map((service) => service.name));
  for (const service of running) {
    if (!after.has(service.name)) yield { kind: 'removed', what: 'service', name: service.name, detail: '' };
  }
  for (const service of wanted) {
    const old = before.get(service.name);
    if (old === service) continue;
    if (old === undefined) {
      yield {
        kind: 'added',
        what: 'service',
        name: service.name,
        detail: `${listens(service)} ${scheduling(service)}`,
      };
    } else {
      if (old.listen !== service.listen)
        yield* changed('service', service.name, 'listen', listens(old), listens(service));
      yield* changed('service', service.name, 'scheduler', scheduling(old), scheduling(service));
      yield* changed('service', service.name, 'persistence', persistenceText(old), persistenceText(service));
      yield* changed(
        'service',
        service.name,
        'mark',
        String(old.mark ?? 'none'),
        String(service.mark ?? 'none'),
      );
      yield* changed('service', service.name, 'one packet', String(old.onePacket), String(service.onePacket));
      yield* changed('service', service.name, 'helper', old.helper, service.helper);
      yield* diffTimeouts(old, service);
      for (const { property, from, to } of diffStanding(old, service))
        yield* changed('service', service.name, property, from, to);
    }
    yield* diffServers(service.name, old?.servers ?? [], service.servers);
    yield* diffServers(service.name, old?.sorryServers ?? [], service.sorryServers, 'sorry ');
  }
}

function* diffTimeouts(before: VirtualService, after: VirtualService): Generator<Change> {
  if (before.timeouts === after.timeouts) return;
  for (const key of Object.keys(after.timeouts) as (keyof VirtualService['timeouts'])[]) {
    yield* changed(
      'service',
      after.name,
      `timeout ${key}`,
      `${before.timeouts[key]}s`,
      `${after.timeouts[key]}s`,
    );
  }
}

function* diffServers(
  service: string,
  running: readonly RealServer[],
  wanted: readonly RealServer[],
  role: '' | 'sorry ' = '',
): Generator<Change> {
  if (running === wanted) return;
  const before = new Map(running.map((server) => [serverId(server), server]));
  const after = new Set(wanted.map(serverId));
  const named = (server: RealServer): string => `${service} ${role}${serverId(server)}`;
  for (const server of running) {
    if (!after.has(serverId(server)))
      yield { kind: 'removed', what: 'server', name: named(server), detail: '' };
  }
  for (const server of wanted) {
    const old = before.get(serverId(server));
    if (old === undefined) {
      yield { kind: 'added', what: 'server', name: named(server), detail: serverText(server) };
      continue;
    }
    if (old === server) continue;
    yield* changed('server', named(server), 'weight', String(old.weight), String(server.weight));
    yield* changed('server', named(server), 'disabled', String(old.disabled), String(server.disabled));
    yield* changed('server', named(server), 'drain', drainText(old.drain), drainText(server.drain));
    yield* changed(
      'server',
      named(server),
      'upper threshold',
      String(old.upperThreshold),
      String(server.upperThreshold),
    );
    yield* changed(
      'server',
      named(server),
      'lower threshold',
      String(old.lowerThreshold),
      String(server.lowerThreshold),
    );
    yield* changed('server', named(server), 'backup', String(old.backup), String(server.backup));
    yield* changed('server', named(server), 'checked', String(old.checked), String(server.checked));
  }
  yield* diffOrder(service, running, wanted);
}

/** Schedulers go through the servers in the order they are written, so the order of those that stay is a change too. */
function* diffOrder(
  service: string,
  running: readonly RealServer[],
  wanted: readonly RealServer[],
): Generator<Change> {
  if (sameServers(running, wanted)) return;
  const before = running.map(serverId);
  const after = wanted.map(serverId);
  const wantedIds = new Set(after);
  const stayed = new Set(before.filter((id) => wantedIds.has(id)));
  const order = (ids: readonly string[]): string => ids.filter((id) => stayed.has(id)).join(',');
  yield* changed('service', service, 'order', order(before), order(after));
}

function* changed(
  what: 'service' | 'server' | 'setting',
  name: string,
  property: string,
  from: string,
  to: string,
  effect: 'now' | 'restart' = 'now',
): Generator<Change> {
  if (from !== to) yield { kind: 'changed', what, name, property, from, to, effect };
}

const drainText = (drain: DrainPolicy | undefined): string =>
  drain === undefined
    ? 'as the service says'
    : drain.deadlineSeconds === null
      ? 'without deadline'
      : `${drain.deadlineSeconds}s then ${drain.then}`;

const serverText = ({ weight, backup, disabled }: RealServer): string =>
  `weight ${weight}${backup ? ' backup' : ''}${disabled ? ' disabled' : ''}`;

const listenText = (listen: Endpoint | null): string => (listen === null ? 'off' : formatEndpoint(listen));

const tlsText = (tls: AdminTls | null): string =>
  tls === null ? 'none' : [tls.certificate, tls.key, tls.clientCa ?? 'no client_ca'].join(' ');

const listens = (service: VirtualService): string => service.listen.map(formatListen).join(',');

function scheduling({ scheduler, flags }: VirtualService): string {
  if (typeof scheduler === 'string')
    return flags.length === 0 ? scheduler : `${scheduler}(${flags.join(',')})`;
  const { reference, version, options } = scheduler;
  const settings = Object.keys(options).length === 0 ? '' : ` ${JSON.stringify(options)}`;
  return `${reference}${settings}${version === '' ? '' : ` (${version})`}`;
}

const persistenceText = ({ persistence }: VirtualService): string =>
  persistence === null
    ? 'none'
    : `${persistence.timeoutSeconds}s/${persistence.mask ?? persistence.prefixLength}${persistence.engine === undefined ? '' : ` ${persistence.engine}`}`;
