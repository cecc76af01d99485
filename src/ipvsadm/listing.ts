// SPDX-License-Identifier: Apache-2.0
/** `ipvsadm -L`: the table in ipvsadm's columns, down to the blanks at the ends of lines. */
import type { IpAddress } from '../model/index.js';
import { formatFlags } from './flags.js';
import type { EndpointName } from './name.js';
import type { ListFormat, ServiceKey } from './request.js';
import { sortTable, type Flow, type Table, type TableServer, type TableService } from './table.js';

/** The protocol between ipvsadm and the kernel that this is modelled on. */
const ipvsVersion = '1.2.1';

/** The whole table, or (key given) one service of it, which comes without the first line. */
export function listingLines(
  table: Table,
  format: ListFormat,
  nameOf: EndpointName,
  only: TableService | null,
): readonly string[] {
  const chosen = only === null ? table.services : [only];
  return [
    ...(only === null ? [`IP Virtual Server version ${ipvsVersion} (size=${table.size})`] : []),
    ...titles(format),
    ...(format.sorted ? sortTable(chosen) : chosen).flatMap((service) => [
      serviceLine(service, format, nameOf),
      ...service.servers.map((server) => serverLine(server, protocolOf(service.key), format, nameOf)),
    ]),
  ];
}

/** Every address a listing would show. */
export function addressesOf(services: readonly TableService[]): readonly IpAddress[] {
  return services.flatMap(({ key, servers }) => [
    ...('mark' in key ? [] : [key.address]),
    ...servers.map(({ address }) => address),
  ]);
}

const local = 'Prot LocalAddress:Port';
const remote = '  -> RemoteAddress:Port';

function titles({ view, tunnelInfo }: ListFormat): readonly string[] {
  switch (view) {
    case 'stats':
      return [numbersTitle('Conns', 'InPkts', 'OutPkts', 'InBytes', 'OutBytes'), remote];
    case 'rate':
      return [numbersTitle('CPS', 'InPPS', 'OutPPS', 'InBPS', 'OutBPS'), remote];
    case 'thresholds':
      return [columns([local, 33], ['Uthreshold', 10], ['Lthreshold', 10], ...connectionTitles), remote];
    case 'persistent-conn':
      return [columns([local, 33], ['Weight', 9], ['PersistConn', 11], ...connectionTitles), remote];
    case 'table': {
      const tunnel: readonly Column[] = tunnelInfo ? [['TunnelInfo', 13]] : [];
      const last = 'Weight ActiveConn InActConn';
      return [`${local} Scheduler Flags`, `${columns([remote, 33], ['Forward', 7], ...tunnel)} ${last}`];
    }
  }
}

type Column = readonly [text: string | number, width: number];
const connectionTitles: readonly Column[] = [
  ['ActiveConn', 10],
  ['InActConn', 10],
];

const columns = (...cells: readonly Column[]): string =>
  cells.map(([text, width]) => String(text).padEnd(width)).join(' ');

const numbersTitle = (...names: readonly string[]): string =>
  local.padEnd(33) + names.map((name) => ` ${name.padStart(8)}`).join('');

function serviceLine(service: TableService, format: ListFormat, nameOf: EndpointName): string {
  const name = serviceName(service.key, nameOf);
  if (format.view === 'stats' || format.view === 'rate') {
    const numbers = format.view === 'stats' ? service.totals : service.rates;
    return (
      name.padEnd(33) +
      inOrder(numbers)
        .map(format.exact ? exactly : inUnits)
        .join('')
    );
  }
  return `${name} ${service.scheduler}${attributes(service)}`;
}

function attributes({ scheduler, flags, persistence, netmask, engine, onePacket }: TableService): string {
  const isWholeClient = netmask === '255.255.255.255' || netmask === 128;
  return [
    flags.length === 0 ? '' : ` (${formatFlags(scheduler, flags)})`,
    persistence === null ? '' : ` persistent ${persistence}`,
    persistence === null || isWholeClient ? '' : ` mask ${netmask}`,
    persistence === null || engine === null ? '' : ` pe ${engine}`,
    onePacket ? ' ops' : '',
  ].join('');
}

function serviceName(key: ServiceKey, nameOf: EndpointName): string {
  if ('mark' in key) return `FWM  ${key.mark}${key.family === 'ipv6' ? ' IPv6' : ''}`;
  const shown = nameOf(key.address, key.port, key.protocol);
  return `${key.protocol.toUpperCase().padEnd(4)} ${fitting(key.address, shown, 33)}`;
}

function serverLine(server: TableServer, protocol: string, format: ListFormat, nameOf: EndpointName): string {
  const shown = fitting(server.address, nameOf(server.address, server.port, protocol), 28);
  const name: Column = [`  -> ${shown}`, 33];
  const { weight, upperThreshold, lowerThreshold, active, inactive, persistent } = server;
  const connections: readonly Column[] = [
    [active, 10],
    [inactive, 10],
  ];
  switch (format.view) {
    case 'stats':
      return (
        columns(name) +
        inOrder(server.totals)
          .map(format.exact ? exactly : inUnits)
          .join('')
      );
    case 'rate':
      return columns(name) + serverRates(server.rates, format.exact);
    case 'thresholds':
      return columns(name, [upperThreshold, 10], [lowerThreshold, 10], ...connections);
    case 'persistent-conn':
      return columns(name, [weight, 9], [persistent, 11], ...connections);
    case 'table': {
      const tunnel: readonly Column[] = format.tunnelInfo ? [['n/a', 13]] : [];
      return columns(name, ['Masq', 7], ...tunnel, [weight, 6], ...connections);
    }
  }
}

/** Long host names are cut to the column; IPv6 addresses push it to the right instead. */
const fitting = (address: string, shown: string, width: number): string =>
  address.includes(':') ? shown : shown.slice(0, width);

/** Marks have no protocol; their servers' ports are shown as TCP's. */
export const protocolOf = (key: ServiceKey): string => ('mark' in key ? '' : key.protocol);

const inOrder = ({ connections, inPackets, outPackets, inBytes, outBytes }: Flow): readonly number[] => [
  connections,
  inPackets,
  outPackets,
  inBytes,
  outBytes,
];

/** Connections and packets per second of a server are never put into units; its bytes are. */
function serverRates(rates: Flow, exact: boolean): string {
  return inOrder(rates)
    .map((value, index) => (index < 3 ? exactly(value) : exact ? exactly(value) : inUnits(value)))
    .join('');
}

/** Nine wide: "   123456K". Cut, not rounded. */
function inUnits(value: number): string {
  const [divisor, unit] = unitOf(value);
  return `${Math.floor(value / divisor)}${unit}`.padStart(9);
}

function unitOf(value: number): readonly [divisor: number, unit: string] {
  if (value < 1e8) return [1, ''];
  if (value < 1e9) return [1e3, 'K'];
  if (value < 1e11) return [1e6, 'M'];
  return value < 1e14 ? [1e9, 'G'] : [1e12, 'T'];
}

const exactly = (value: number): string => ` ${String(value).padStart(8)}`;
