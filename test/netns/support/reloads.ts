// SPDX-License-Identifier: Apache-2.0
/**
 * Reload after reload under connections that live through all of them. Servers, weights, schedulers and whole services come
 * and go; the connections' own servers stay, and a service that leaves for a while takes none of its connections along.
 */
import type { StatusAnswer } from '../../../src/admin/api.js';
import { askJson } from '../../../src/admin/client.js';
import type { DaemonConfig, ServiceConfig } from './daemon.js';
import { at, addressOf, families, vip, type Family, type Lab } from './lab.js';
import { ports, type HttpResult, type TalkResult, type UdpResult } from './load.js';
import { until } from './until.js';

export const talkPort = 700;
/** The last server of the lab comes and goes. */
export const reloadServers = 4;

export interface ReloadPlan {
  readonly reloads: number;
  /** No reload begins later than this. */
  readonly patienceMs?: number;
  /** Over both address families. */
  readonly connections: number;
  /** Seconds between two messages of a connection. */
  readonly every: number;
  /** Datagrams a second. */
  readonly rate: number;
  readonly onReload?: (done: number) => void;
}

export interface ReloadOutcome {
  readonly reloads: number;
  readonly milliseconds: readonly number[];
  readonly connections: number;
  readonly connectionsLost: number;
  readonly messages: number;
  readonly newConnections: number;
  readonly newConnectionsFailed: number;
  readonly datagrams: number;
  readonly datagramsLost: number;
  /** By the director under any reason, and by its device because a queue was full. */
  readonly dropped: number;
  /** The same by reason; what the device has dropped is `device`. */
  readonly droppedBy: Readonly<Record<string, number>>;
  /** Segments sent twice: TCP mends what is lost, so it must be looked for. Impatience of a busy machine counts as well. */
  readonly retransmitted: number;
  /** The longest anybody waited for an answer. */
  readonly longestSeconds: number;
  /** By load, what went wrong. */
  readonly errors: Readonly<Record<string, number>>;
}

/** The configuration before anything changes, under which all connections begin. */
export const reloadConfig = (lab: Lab): DaemonConfig => variation(lab, 0);

/** Every number is another configuration than its neighbours. */
function variation(lab: Lab, round: number): DaemonConfig {
  const hasFourth = round % 2 === 1;
  const schedulers = ['wrr', 'wlc', 'mh', 'rr', 'sed'];
  const service = (kind: 'talk' | 'http' | 'udp', port: number, family: Family): ServiceConfig => ({
    name: `${kind}-${family}`,
    listen: `${kind === 'udp' ? 'udp' : 'tcp'}://${at(vip[family], port)}`,
    scheduler: schedulers[round % schedulers.length] ?? 'wrr',
    servers: lab.topology.servers.slice(0, hasFourth && kind !== 'http' ? 4 : 3).map((server, n) => ({
      address: at(addressOf(server, family), ports[kind]),
      weight: round === 0 ? 1 : 1 + ((round + n) % 3),
    })),
  });
  const extra = Array.from({ length: round % 3 }, (_, n) => ({
    name: `extra-${n}`,
    listen: `tcp://10.9.0.${2 + n}:80`,
    servers: [`${lab.server(n).ipv4}:${ports.http}`],
  }));
  const isTalking = (family: Family): boolean => round % 5 !== 4 || family === 'v4';
  const services = [
    ...families.filter(isTalking).map((family) => service('talk', talkPort, family)),
    ...extra,
    service('http', vip.http, 'v4'),
    service('udp', vip.udp, 'v4'),
  ];
  return { services: round % 2 === 0 ? services : services.toReversed() };
}

/** The lab must have `reloadServers` servers and run `reloadConfig`. */
export async function reloadUnderTraffic(lab: Lab, plan: ReloadPlan): Promise<ReloadOutcome> {
  const { daemon } = lab;
  const before = await facts(lab);
  const talks = await Promise.all(
    families.map((family) =>
      lab.startLoad('talk', {
        to: at(vip[family], talkPort),
        connections: plan.connections / families.length,
        every: plan.every,
        seconds: 3600,
      }),
    ),
  );
  for (const { process } of talks) await process.waitForOutput(/^talking$/m, 60_000);
  const counter = await lab.startLoad('udp', {
    to: at(vip.v4, vip.udp),
    sources: 20,
    datagrams: 1_000_000_000,
    rate: plan.rate,
    window: 4096,
    seconds: 3600,
  });

  const fresh: HttpResult[] = [];
  const milliseconds: number[] = [];
  const giveUpAt = performance.now() + (plan.patienceMs ?? Infinity);
  for (let round = 1; round <= plan.reloads && performance.now() < giveUpAt; round++) {
    await daemon.installation.write(variation(lab, round));
    const visitors =
      round % 5 === 0
        ? lab.load('http', { to: at(vip.v4, vip.http), mode: 'connect', requests: 20, seconds: 60 })
        : null;
    const began = performance.now();
    await (round % 4 === 0 ? reloadBySignal(lab) : reloadByApi(lab));
    milliseconds.push(performance.now() - began);
    if (visitors !== null) fresh.push(await visitors);
    plan.onReload?.(round);
  }

  for (const { process } of [...talks, counter]) process.signal('SIGTERM');
  const talked: TalkResult[] = await Promise.all(talks.map(({ result }) => result()));
  const counted: UdpResult = await counter.result();
  const after = await facts(lab);
  const droppedBy = newDrops(before.dropped, after.dropped);
  const sum = <T>(of: readonly T[], value: (one: T) => number): number =>
    of.reduce((total, one) => total + value(one), 0);
  return {
    reloads: milliseconds.length,
    milliseconds,
    connections: sum(talked, ({ opened }) => opened),
    connectionsLost: sum(talked, ({ lost }) => lost),
    messages: sum(talked, ({ messages }) => messages),
    newConnections: sum(fresh, ({ answered }) => answered),
    newConnectionsFailed: sum(fresh, ({ failed }) => failed),
    datagrams: counted.sent,
    datagramsLost: counted.lost,
    dropped: sum(Object.values(droppedBy), (count) => count),
    droppedBy,
    retransmitted: after.retransmitted - before.retransmitted,
    longestSeconds: Math.max(...talked.map((talk) => talk.longestSeconds)),
    errors: Object.assign({}, ...[...talked, counted, ...fresh].map(({ errors }) => errors)) as Record<
      string,
      number
    >,
  };
}

export async function reloadByApi(lab: Lab): Promise<void> {
  const { socket } = lab.daemon.installation;
  const { status, body } = await askJson(socket, { method: 'POST', path: '/v1/reload' });
  if (status !== 200) throw new Error(`the reload was answered with ${status}: ${JSON.stringify(body)}`);
}

async function reloadBySignal(lab: Lab): Promise<void> {
  const { socket } = lab.daemon.installation;
  const applied = async (): Promise<number> => {
    const { body } = await askJson(socket, { method: 'GET', path: '/v1/status' });
    return (body as StatusAnswer).director?.reloads.counts.applied ?? 0;
  };
  const before = await applied();
  lab.daemon.hangUp();
  await until('the reload to be applied', async () => (await applied()) > before, { timeoutMs: 60_000 });
}

/** Packets by the reason they were dropped for; those that the device had no room for are `device`. */
export async function drops(lab: Lab): Promise<Readonly<Record<string, number>>> {
  const metrics = await lab.daemon.metrics();
  const full = await lab.topology.director.namespace.must([
    'cat',
    '/sys/class/net/vsnat0/statistics/tx_dropped',
  ]);
  return { ...metrics.by('reason', 'vsnat_packets_dropped_total'), device: Number(full) };
}

/**
 * What has come to it. Without `martian`: when a device comes up the kernel reports its IPv6 groups, from :: to ff02::16
 * (RFC 3810 section 5.2.13), and again within seconds; that is the director's own host talking, and no packet of anybody.
 */
export const newDrops = (
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(after).flatMap(([reason, count]) => {
      const since = count - (before[reason] ?? 0);
      return since === 0 || reason === 'martian' ? [] : [[reason, since]];
    }),
  );

/** What the director, its device and the kernels at both ends know of losses. */
async function facts(lab: Lab): Promise<{
  readonly dropped: Readonly<Record<string, number>>;
  readonly retransmitted: number;
}> {
  const ends = [lab.client, ...lab.topology.servers.map((server) => server.namespace)];
  const sent = await Promise.all(ends.map((end) => end.must(['cat', '/proc/net/snmp'])));
  return { dropped: await drops(lab), retransmitted: sent.map(retransmittedOf).reduce((a, b) => a + b, 0) };
}

function retransmittedOf(snmp: string): number {
  const [names = '', values = ''] = snmp.split('\n').filter((line) => line.startsWith('Tcp:'));
  return Number(values.split(' ')[names.split(' ').indexOf('RetransSegs')]);
}
