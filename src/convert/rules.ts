// SPDX-License-Identifier: Apache-2.0
/** ipvsadm-save's text, or a script of ipvsadm commands, as services. */
import { VsnatError } from '../errors.js';
import {
  flagOf,
  parseCommandLine,
  Refusal,
  wordsOfRule,
  type Names as HostNames,
  type Request,
} from '../ipvsadm/index.js';
import type { Notes, Place } from './note.js';
import {
  listenText,
  markUnfinished,
  Names,
  withPort,
  type ConvertedService,
  type ServerDocument,
  type ServiceDocument,
} from './service.js';

interface Service {
  readonly place: Place;
  readonly key: AddService['service'];
  readonly settings: Partial<ServiceDocument>;
  readonly servers: ServerDocument[];
}

type AddService = Extract<Request, { readonly command: 'add-service' | 'edit-service' }>;
type AddServer = Extract<Request, { readonly command: 'add-server' | 'edit-server' }>;

/** Whether a file looks like rules: its first words are ipvsadm's. */
export const looksLikeRules = (text: string): boolean =>
  /^\s*(?:(?:\/\S*\/)?ipvsadm\s+)?-{1,2}[A-Za-z]/.test(
    text.split('\n').find((line) => line.trim() !== '' && !line.trimStart().startsWith('#')) ?? '',
  );

/** Throws VSNAT_CONFIG_INVALID at the first line that ipvsadm would not take. */
export async function readRules(
  { file, text }: { readonly file: string; readonly text: string },
  hostNames: HostNames,
  notes: Notes,
): Promise<readonly ConvertedService[]> {
  const services: Service[] = [];
  let timeouts: Readonly<Record<string, string>> | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const place = { file, line: index + 1 };
    if (line.trimStart().startsWith('#')) continue;
    const words = wordsOfRule(line.replace(/^\s*\/\S*\/ipvsadm\s/, ''));
    if (words.length === 0) continue;
    const request = await readRule(words, place, hostNames);
    switch (request.command) {
      case 'add-service':
        services.push({ place, key: request.service, settings: settingsOf(request), servers: [] });
        break;
      case 'add-server':
        addServer(request, place, services, notes);
        break;
      case 'flush':
        services.length = 0;
        break;
      case 'set':
        timeouts = timeoutsOf(request.timeouts);
        break;
      default:
        notes.add(place, words.join(' '), 'is no rule that makes a service; left out');
    }
  }
  const names = new Names();
  return services.map((service) => converted(service, timeouts, names, notes));
}

async function readRule(words: readonly string[], place: Place, names: HostNames): Promise<Request> {
  try {
    return await parseCommandLine(words, names);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new VsnatError(
      'VSNAT_CONFIG_INVALID',
      `${place.file}:${place.line}: ${error.message.trimEnd().split('\n')[0] ?? ''}`,
      { cause: error },
    );
  }
}

function settingsOf({ settings }: AddService): Partial<ServiceDocument> {
  const { scheduler, flags, persistence, netmask, engine, onePacket } = settings;
  const isWhole = netmask === '255.255.255.255' || netmask === 128;
  const named = flags.flatMap((flag) => flagOf(scheduler, flag) ?? []);
  return {
    scheduler,
    ...(named.length === 0 ? {} : { flags: named }),
    ...(persistence === null
      ? {}
      : {
          persistence: {
            timeout: `${persistence}s`,
            ...(isWhole ? {} : { netmask }),
            ...(engine === null ? {} : { engine }),
          },
        }),
    ...(onePacket ? { one_packet: true as const } : {}),
  };
}

function addServer(request: AddServer, place: Place, services: readonly Service[], notes: Notes): void {
  const { server, settings } = request;
  const service = services.find(({ key }) => JSON.stringify(key) === JSON.stringify(request.service));
  if (service === undefined) {
    throw new VsnatError(
      'VSNAT_CONFIG_INVALID',
      `${place.file}:${place.line}: the service must be added before its servers`,
    );
  }
  const { forwarding, weight, upperThreshold, lowerThreshold } = settings;
  if (forwarding !== 'masquerading')
    notes.add(
      place,
      forwarding,
      'NAT is all there is: the servers need their default route through this director, and no VIP on their loopback',
    );
  service.servers.push({
    address: withPort(server.address, server.port),
    ...(weight === 1 ? {} : { weight: Math.min(weight, 65_535) }),
    ...(upperThreshold === 0 ? {} : { max_connections: upperThreshold }),
    ...(lowerThreshold === 0 ? {} : { resume_connections: lowerThreshold }),
  });
}

function timeoutsOf({ tcp, tcpFin, udp }: Extract<Request, { command: 'set' }>['timeouts']) {
  const all = { tcp_established: tcp, tcp_fin_wait: tcpFin, udp };
  const set = Object.entries(all).filter(([, seconds]) => seconds > 0);
  return set.length === 0 ? undefined : Object.fromEntries(set.map(([key, seconds]) => [key, `${seconds}s`]));
}

function converted(
  { place, key, settings, servers }: Service,
  timeouts: ServiceDocument['timeouts'],
  names: Names,
  notes: Notes,
): ConvertedService {
  const rest = { ...settings, ...(timeouts === undefined ? {} : { timeouts }), servers };
  if ('mark' in key) {
    const unfinished = markUnfinished(key.mark);
    notes.add(place, `-f ${key.mark}`, unfinished);
    const name = names.unique(`mark-${key.mark}-${key.family}`);
    return { place, document: { name, listen: [], mark: key.mark, ...rest }, unfinished };
  }
  const { protocol, address, port } = key;
  const name = names.unique(`${protocol}-${address.replaceAll(':', '-')}-${port}`);
  return {
    place,
    document: { name, listen: listenText(protocol, address, port), ...rest },
    unfinished: null,
  };
}
