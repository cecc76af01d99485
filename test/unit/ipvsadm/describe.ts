// SPDX-License-Identifier: Apache-2.0
/** A request as one line, and names without a resolver: what the recorded command lines are compared in. */
import { formatEndpoint, type IpAddress } from '../../../src/model/index.js';
import { parseCommandLine } from '../../../src/ipvsadm/parse.js';
import { Refusal } from '../../../src/ipvsadm/refusal.js';
import { formatKey, type Request } from '../../../src/ipvsadm/request.js';
import type { Names } from '../../../src/ipvsadm/values.js';

const ports: Readonly<Record<string, number>> = {
  'tcp/http': 80,
  'tcp/https': 443,
  'tcp/http-alt': 8080,
  'tcp/syslog': 514,
  'tcp/domain': 53,
  'udp/domain': 53,
  'udp/mdns': 5353,
  'udp/sip': 5060,
};

/** What /etc/hosts and /etc/services of the recording machine said. */
export const names: Names = {
  addressOf: (host) => Promise.resolve(host === 'localhost' ? ('127.0.0.1' as IpAddress) : undefined),
  hostOf: (address) => Promise.resolve(address === '127.0.0.1' ? 'localhost' : undefined),
  portOf: (service, protocol) => ports[`${protocol}/${service}`],
  serviceOf: (port, protocol) =>
    Object.entries(ports)
      .find(([key, value]) => value === port && key.startsWith(protocol))?.[0]
      .slice(4),
};

export function describeRequest(request: Request): string {
  switch (request.command) {
    case 'add-service':
    case 'edit-service': {
      const { scheduler, flags, persistence, netmask, engine, onePacket } = request.settings;
      return (
        `${request.command} ${formatKey(request.service)} ${scheduler} flags ${flags.join(',') || '-'} ` +
        `persistence ${persistence ?? '-'} netmask ${netmask} engine ${engine ?? '-'} ops ${onePacket ? 'yes' : 'no'}`
      );
    }
    case 'add-server':
    case 'edit-server': {
      const { forwarding, weight, upperThreshold, lowerThreshold } = request.settings;
      return (
        `${request.command} ${formatKey(request.service)} ${formatEndpoint(request.server)} ` +
        `${forwarding} weight ${weight} thresholds ${upperThreshold} ${lowerThreshold}`
      );
    }
    case 'delete-server':
      return `delete-server ${formatKey(request.service)} ${formatEndpoint(request.server)}`;
    case 'delete-service':
      return `delete-service ${formatKey(request.service)}`;
    case 'zero':
      return `zero ${request.service === null ? '-' : formatKey(request.service)}`;
    case 'set':
      return `set ${request.timeouts.tcp} ${request.timeouts.tcpFin} ${request.timeouts.udp}`;
    case 'start-daemon':
    case 'stop-daemon':
      return `${request.command} ${request.role}`;
    case 'list':
      return request.what === 'services'
        ? `list services ${request.service === null ? '-' : formatKey(request.service)}`
        : `list ${request.what}`;
    default:
      return request.command;
  }
}

export interface Outcome {
  readonly code: number;
  readonly err: string;
  readonly sent: readonly string[];
}

export async function understand(args: readonly string[]): Promise<Outcome> {
  try {
    return { code: 0, err: '', sent: [describeRequest(await parseCommandLine(args, names))] };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { code: error.exitCode, err: `${error.message}\n`, sent: [] };
  }
}
