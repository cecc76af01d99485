// SPDX-License-Identifier: Apache-2.0
/** `vsnat status` and `vsnat services` as text. Pure: an answer and a clock in, lines out. */
import type { ServicesAnswer, StatusAnswer } from '../admin/api.js';
import type { DeviceFacts } from '../dataplane/dataplane.js';
import { describeEgress, describeIngress } from '../director/ways.js';
import { familyOf, formatListen, formatNetmask, isWholeClient, type Listen } from '../model/index.js';
import { formatBytes, formatDuration, plural, table, type Column } from './table.js';

export function statusLines(status: StatusAnswer, now: number): string[] {
  const { director } = status;
  const up = formatDuration((now - status.startedAt) / 1000);
  const head = [
    field('daemon', `vsnat ${status.version}, pid ${status.pid}, ${status.state}, up ${up}`),
    field('config', status.configFile),
  ];
  if (director === null) return head;
  const { reloads, flowTable, packets, device } = director;
  const dropped = Object.entries(packets.dropped);
  return [
    ...head,
    field(
      '',
      `generation ${director.generation}${director.adopted ? '' : ', not yet adopted by every queue'}`,
    ),
    field('', `${plural(director.services, 'service')}, ${plural(director.servers, 'real server')}`),
    field('reload', reloadText(reloads, now)),
    field('device', `${device.name}, ${plural(device.queues, 'queue')}, steering ${device.steering}`),
    field('', `offload ${offloads(device)}`),
    field('', packetsCross(device)),
    ...(director.ingress === null ? [] : [field('ingress', describeIngress(director.ingress))]),
    ...(director.egress === null ? [] : [field('egress', describeEgress(director.egress))]),
    ...(director.egress === null ? [] : [field('shortcuts', shortcutsText(director))]),
    field(
      'flows',
      `${flowTable.flows} of ${flowTable.capacity}, ${flowTable.expired} expired, ${flowTable.evicted} evicted`,
    ),
    field(
      'packets',
      `${packets.received} received, ${packets.forwarded} forwarded, ${packets.passed} passed, ${packets.generated} generated`,
    ),
    field(
      'dropped',
      dropped.length === 0 ? 'none' : dropped.map(([reason, count]) => `${reason} ${count}`).join(', '),
    ),
    field('metrics', director.metricsListen === null ? 'off' : `http://${director.metricsListen}/metrics`),
  ];
}

function reloadText(reloads: NonNullable<StatusAnswer['director']>['reloads'], now: number): string {
  const { counts, lastError, lastSuccessAt } = reloads;
  const refused = counts.rejected + counts.failed;
  const total = refused + counts.applied + counts.unchanged;
  const last = `loaded ${formatDuration((now - lastSuccessAt) / 1000)} ago, ${plural(total, 'reload')}, ${refused} refused`;
  return lastError === null ? last : `${last}\nlast error: ${lastError}`;
}

function offloads(device: DeviceFacts): string {
  const present = [
    device.checksumOffload && 'checksum',
    device.tso4 && 'tso4',
    device.tso6 && 'tso6',
    device.uso4 && 'uso4',
    device.uso6 && 'uso6',
  ].filter((name) => name !== false);
  return present.length === 0 ? 'none' : present.join(' ');
}

function packetsCross({ uring, uringRefusal }: DeviceFacts): string {
  if (uring) return 'packets cross by io_uring';
  return `packets cross by read and write${uringRefusal === null ? '' : `: ${uringRefusal}`}`;
}

const field = (name: string, value: string): string =>
  `${name.padEnd(8)} ${value.replaceAll('\n', '\n         ')}`;

const serverColumns: readonly Column[] = [
  { title: '  server' },
  { title: 'weight', align: 'right' },
  { title: 'active', align: 'right' },
  { title: 'inactive', align: 'right' },
  { title: 'persistent', align: 'right' },
  { title: 'connections', align: 'right' },
  { title: 'in', align: 'right' },
  { title: 'out', align: 'right' },
  { title: '' },
];

export interface ServiceText {
  readonly title: string;
  readonly lines: readonly string[];
}

export function serviceTexts({ services }: ServicesAnswer, width = Number.POSITIVE_INFINITY): ServiceText[] {
  return services.map((service) => ({
    title: [
      service.service,
      service.listen.map((listen) => formatListen(listen as Listen)).join(' '),
      [service.scheduler, ...flagsOf(service)].join(' '),
      `${plural(service.connections, 'connection')}, ${service.scheduleFailures} refused`,
    ].join('  '),
    lines:
      service.servers.length === 0
        ? ['  no real servers: every new connection is refused']
        : table(
            serverColumns,
            service.servers.map((server) => [
              `  ${server.server}`,
              String(server.weight),
              String(server.active),
              String(server.inactive),
              String(server.persistent),
              String(server.connections),
              formatBytes(server.inBytes),
              formatBytes(server.outBytes),
              server.overloaded ? 'overloaded' : server.weight === 0 ? 'drained' : '',
            ]),
            width,
          ),
  }));
}

/** In ipvsadm's words: persistent 360 mask 255.255.255.0 ops. */
function flagsOf({
  listen,
  persistence,
  mark,
  onePacket,
}: ServicesAnswer['services'][number]): readonly string[] {
  const [first] = listen as readonly Listen[];
  const family = first === undefined ? 'ipv4' : familyOf(first.address);
  const hasMask = persistence !== null && !isWholeClient(persistence, family);
  return [
    ...(mark === null ? [] : [`mark ${mark}`]),
    ...(persistence === null ? [] : [`persistent ${persistence.timeoutSeconds}`]),
    ...(hasMask ? [`mask ${formatNetmask(persistence, family)}`] : []),
    ...(persistence?.engine === undefined ? [] : [`pe ${persistence.engine}`]),
    ...(onePacket ? ['ops'] : []),
  ];
}

function shortcutsText({
  device,
  ingress,
  egress,
  shortcuts,
}: NonNullable<StatusAnswer['director']>): string {
  if (!device.shortcuts) return 'off';
  if (ingress?.way !== 'direct' || egress?.way !== 'direct') return 'none: they need both ways direct';
  return plural(shortcuts, 'connection');
}
