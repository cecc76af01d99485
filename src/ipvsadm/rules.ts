// SPDX-License-Identifier: Apache-2.0
/** The table as rules, `ipvsadm -S`, and rules as lines of words, `ipvsadm -R`. */
import { formatFlags } from './flags.js';
import { protocolOf } from './listing.js';
import type { EndpointName } from './name.js';
import type { ServiceKey } from './request.js';
import { sortTable, type TableService } from './table.js';

/** Thresholds are not part of a rule: ipvsadm leaves them out. */
export function ruleLines(services: readonly TableService[], nameOf: EndpointName): readonly string[] {
  return sortTable(services).flatMap((service) => {
    const where = keyOption(service.key, nameOf);
    return [
      `-A ${where} -s ${service.scheduler}${settings(service)}`,
      ...service.servers.map(
        ({ address, port, weight }) =>
          `-a ${where} -r ${nameOf(address, port, protocolOf(service.key))} -m -w ${weight}`,
      ),
    ];
  });
}

const keyOptions = { tcp: '-t', udp: '-u', sctp: '--sctp-service' } as const;

function keyOption(key: ServiceKey, nameOf: EndpointName): string {
  if ('mark' in key) return `-f ${key.mark}${key.family === 'ipv6' ? ' -6' : ''}`;
  return `${keyOptions[key.protocol]} ${nameOf(key.address, key.port, key.protocol)}`;
}

function settings({ scheduler, flags, persistence, netmask, engine, onePacket }: TableService): string {
  const isWholeClient = netmask === '255.255.255.255' || netmask === 128;
  return [
    persistence === null ? '' : ` -p ${persistence}`,
    persistence === null || isWholeClient ? '' : ` -M ${netmask}`,
    engine === null ? '' : ` --pe ${engine}`,
    onePacket ? ' -o' : '',
    flags.length === 0 ? '' : ` -b ${formatFlags(scheduler, flags)}`,
  ].join('');
}

/** A line's words; a leading "ipvsadm" is not one of them. No quotes, no comments: ipvsadm knows neither. */
export function wordsOfRule(line: string): readonly string[] {
  const words = line.split(/[ \t\v\f\r\n]+/).filter((word) => word !== '');
  while (words[0] === 'ipvsadm') words.shift();
  return words;
}
