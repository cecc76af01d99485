// SPDX-License-Identifier: Apache-2.0
/**
 * From what runs to what shall run, operation by operation. Pure: a list of operations is obeyed whole or refused
 * whole, because the result is one model that is checked and swapped in like a file's. Refusals come in the order and
 * with the reasons of the kernel (ip_vs_ctl.c), and then in the words of the configuration's own checks.
 */
import { problemsOf } from '../config/index.js';
import {
  formatListen,
  kernelTimeouts,
  parseListen,
  parseServer,
  parseWeight,
  patientDrain,
  persistenceEngines,
  ruleFamily,
  scopeOf,
  serverId,
  serviceFamily,
  type Family,
  type Listen,
  type MarkRule,
  type Model,
  type Persistence,
  type RealServer,
  type Timeouts,
  type VirtualService,
} from '../model/index.js';
import { isSchedulerName, schedulerNames, shippedNames, shippedProgram } from '../scheduler/index.js';
import { ChangeRefused } from './change-refused.js';
import { adjustedServer } from './adjust-server.js';
import type { Operation } from './operation.js';

/** What `--set` changes: for the services there are, and for those made later. */
export interface SetTimeouts {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}

export const kernelSetTimeouts: SetTimeouts = {
  tcp: kernelTimeouts.tcpEstablished,
  tcpFin: kernelTimeouts.tcpFinWait,
  udp: kernelTimeouts.udp,
};

export interface Changed {
  readonly model: Model;
  readonly timeouts: SetTimeouts;
  /** What was loaded last; what `set-weight` of null goes back to. */
  readonly file?: Model;
}

/** Throws ChangeRefused. */
export function applyOperations(running: Changed, operations: readonly Operation[]): Changed {
  const draft = new Draft(running);
  for (const operation of operations) draft.obey(operation);
  const { changed } = draft;
  const [problem] = problemsOf(changed.model, running.model);
  if (problem === undefined) return changed;
  const named = `${problem.path}: ${problem.message}`.replaceAll(
    /services\[(\d+)\]/g,
    (_, index: string) => `service ${changed.model.services[Number(index)]?.name ?? index}`,
  );
  throw new ChangeRefused('other', named);
}

/** A service as operations name it: a place, or a mark, which has one service for each address family. */
type Key = Listen | { readonly mark: number; readonly family: Family };

/** `tcp-10.9.0.1-80`, `udp-2001-db8--1-53`, `mark-7-ipv4`: what a service is called that came without a name. */
export const derivedName = (key: Key): string =>
  'mark' in key
    ? `mark-${key.mark}-${key.family}`
    : `${key.protocol}-${key.address.replaceAll(':', '-')}-${key.port}`;

class Draft {
  readonly #before: Model;
  readonly #file: Model | undefined;
  #services: readonly VirtualService[];
  #timeouts: SetTimeouts;

  constructor({ model, timeouts, file }: Changed) {
    this.#before = model;
    this.#file = file;
    this.#services = model.services;
    this.#timeouts = timeouts;
  }

  get changed(): Changed {
    return { model: { ...this.#before, services: this.#services }, timeouts: this.#timeouts };
  }

  obey(operation: Operation): void {
    switch (operation.op) {
      case 'add-service':
        return this.#addService(operation);
      case 'edit-service':
        return this.#editService(operation);
      case 'delete-service':
        return this.#deleteService(operation.service);
      case 'add-server':
      case 'edit-server':
        return this.#setServer(operation);
      case 'delete-server':
        return this.#deleteServer(operation.service, operation.server);
      case 'clear':
        this.#services = [];
        return;
      case 'set-timeouts':
        return this.#setTimeouts(operation);
      case 'set-weight':
      case 'disable':
      case 'drain':
      case 'enable':
      case 'undrain':
        return this.#adjustServer(operation);
    }
  }

  #addService(operation: OperationOf<'add-service'>): void {
    const { service: text } = operation;
    if (findService(this.#services, text) !== undefined)
      throw new ChangeRefused('service-exists', `service ${text}: must be new, got one that exists`);
    const known = findService(this.#before.services, text);
    const key = readKey(text);
    this.#services = [
      ...this.#services,
      {
        name: this.#nameFor(key, known),
        listen: 'mark' in key ? (known?.listen ?? placesOf(key, this.#before.marks)) : [key],
        ...settingsOf(operation),
        servers: [],
        // Rules say nothing of timeouts and helpers: a service that is cleared and restored keeps those it had.
        timeouts: known?.timeouts ?? withSet(kernelTimeouts, this.#timeouts),
        mark: 'mark' in key ? key.mark : null,
        helper: known?.helper ?? 'none',
        health: known?.health ?? [],
        slowStart: known?.slowStart ?? null,
        drain: known?.drain ?? patientDrain,
        quorum: known?.quorum ?? null,
        sorryServers: known?.sorryServers ?? [],
      },
    ];
  }

  /** Of a service that was there before the list of operations, its old name: counters and connections hang on it. */
  #nameFor(key: Key, known: VirtualService | undefined): string {
    const taken = new Set(this.#services.map(({ name }) => name));
    const wanted = derivedName(key);
    const numbered = Array.from({ length: taken.size }, (_, index) => `${wanted}-${index + 2}`);
    const candidates = [...(known === undefined ? [] : [known.name]), wanted, ...numbered];
    return candidates.find((name) => !taken.has(name)) ?? wanted;
  }

  #editService(operation: OperationOf<'edit-service'>): void {
    const service = this.#existing(operation.service);
    this.#replace({ ...service, ...settingsOf(operation) });
  }

  /** One service of a file may listen on several addresses; ipvsadm sees, and deletes, each on its own. */
  #deleteService(text: string): void {
    const service = this.#existing(text);
    const isWhole = service.mark !== null || service.name === text;
    const listen = isWhole ? [] : service.listen.filter((one) => formatListen(one) !== text);
    if (listen.length > 0) this.#replace({ ...service, listen });
    else this.#services = this.#services.filter((one) => one !== service);
  }

  #setServer(operation: OperationOf<'add-server' | 'edit-server'>): void {
    const service = this.#existing(operation.service);
    const made = this.#server(operation, service);
    const old = service.servers.find((server) => serverId(server) === serverId(made));
    if (operation.op === 'add-server' && old !== undefined)
      throw new ChangeRefused(
        'server-exists',
        `server ${operation.server}: must be new, got one that exists`,
      );
    if (operation.op === 'edit-server' && old === undefined) throw noSuchServer(operation.server);
    const servers =
      old === undefined
        ? [...service.servers, made]
        : service.servers.map((server) => (server === old ? { ...made, routed: old.routed } : server));
    this.#replace({ ...service, servers });
  }

  #server(
    { server: text, weight, upperThreshold, lowerThreshold }: OperationOf<'add-server' | 'edit-server'>,
    service: VirtualService,
  ): RealServer {
    if (lowerThreshold > upperThreshold)
      throw new ChangeRefused(
        'out-of-range',
        `server ${text}: must have a lower threshold up to the upper one`,
      );
    const endpoint = parseServer(text);
    const parsedWeight = parseWeight(weight);
    if (!endpoint.ok || !parsedWeight.ok || isNobody(endpoint.value.address))
      throw new ChangeRefused('not-an-address', `server ${text}: must be address:port of a host`);
    const before = findService(this.#before.services, keyOf(service));
    const known = before?.servers.find((server) => serverId(server) === serverId(endpoint.value));
    return {
      ...endpoint.value,
      weight: parsedWeight.value,
      upperThreshold,
      lowerThreshold,
      // ipvsadm has no word to vouch for a server behind a router, and the kernel asks for none.
      routed: known?.routed ?? true,
      backup: known?.backup ?? false,
      disabled: known?.disabled ?? false,
      checked: known?.checked ?? true,
      ...(known?.drain !== undefined && { drain: known.drain }),
    };
  }

  #adjustServer(operation: OperationOf<'set-weight' | 'disable' | 'drain' | 'enable' | 'undrain'>): void {
    const service = this.#existing(operation.service);
    const old = service.servers.find((server) => serverId(server) === operation.server);
    if (old === undefined) throw noSuchServer(operation.server);
    const inFile = this.#file?.services
      .find(({ name }) => name === service.name)
      ?.servers.find((server) => serverId(server) === operation.server);
    const made = adjustedServer(old, operation, service.drain, inFile);
    this.#replace({ ...service, servers: service.servers.map((one) => (one === old ? made : one)) });
  }

  #deleteServer(serviceText: string, text: string): void {
    const service = this.#existing(serviceText);
    const servers = service.servers.filter((server) => serverId(server) !== text);
    if (servers.length === service.servers.length) throw noSuchServer(text);
    this.#replace({ ...service, servers });
  }

  #setTimeouts({ tcp, tcpFin, udp }: OperationOf<'set-timeouts'>): void {
    const wanted = { tcp, tcpFin, udp };
    this.#timeouts = {
      tcp: tcp || this.#timeouts.tcp,
      tcpFin: tcpFin || this.#timeouts.tcpFin,
      udp: udp || this.#timeouts.udp,
    };
    this.#services = this.#services.map((service) => ({
      ...service,
      timeouts: withSet(service.timeouts, wanted),
    }));
  }

  #existing(text: string): VirtualService {
    const service = findService(this.#services, text);
    if (service === undefined) throw noSuchService(text);
    return service;
  }

  #replace(service: VirtualService): void {
    this.#services = this.#services.map((one) => (one.name === service.name ? service : one));
  }
}

type OperationOf<Name extends Operation['op']> = Extract<Operation, { readonly op: Name }>;

/** The service that listens there, "tcp://10.9.0.1:80", the one of a mark, "mark://7/ipv4", or the one of that name. */
export const findService = (services: readonly VirtualService[], text: string): VirtualService | undefined =>
  services.find((service) =>
    service.mark === null
      ? service.listen.some((one) => formatListen(one) === text)
      : markKey(service.mark, service) === text,
  ) ?? services.find(({ name }) => name === text);

const markKey = (mark: number, service: VirtualService): string => `mark://${mark}/${serviceFamily(service)}`;

const keyOf = (service: VirtualService): string =>
  service.mark === null ? formatListen(firstOf(service.listen)) : markKey(service.mark, service);

function readKey(text: string): Key {
  const [, mark = '', family] = /^mark:\/\/(\d{1,10})\/(ipv4|ipv6)$/.exec(text) ?? [];
  if (family === 'ipv4' || family === 'ipv6') return { mark: Number(mark), family };
  const listen = parseListen(text);
  if (!listen.ok) throw new ChangeRefused('not-an-address', `service ${text}: must ${listen.must}`);
  return listen.value;
}

/** What a firewall would mark so, in the kernel; here the configuration says it. */
function placesOf(
  { mark, family }: Extract<Key, { readonly mark: number }>,
  rules: readonly MarkRule[],
): readonly Listen[] {
  const rule = rules.find((one) => one.mark === mark && ruleFamily(one) === family);
  if (rule !== undefined) return rule.listen;
  const example = family === 'ipv4' ? 'tcp://10.9.0.1:80' : '"tcp://[2001:db8::1]:80"';
  const line = `{ mark: ${mark}, listen: [${example}] }`;
  const lines =
    rules.length === 0
      ? `"marks: [${line}]", with the addresses and ports that your firewall marks, to the configuration`
      : `"- ${line}", with the addresses and ports that your firewall marks, to "marks" in the configuration`;
  throw new ChangeRefused(
    'other',
    `service mark://${mark}/${family}: must be of a mark with a rule under marks, got none for ${familyNames[family]}; add ${lines} and reload`,
  );
}

const familyNames: Readonly<Record<Family, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' };

/** An edit replaces all of these: what is left out is none. */
const settingsOf = ({
  scheduler,
  flags,
  persistence = null,
  engine = null,
  onePacket = false,
}: OperationOf<'add-service' | 'edit-service'>): Pick<
  VirtualService,
  'scheduler' | 'flags' | 'persistence' | 'onePacket'
> => ({
  scheduler: knownScheduler(scheduler),
  flags,
  persistence: withEngine(persistence, engine),
  onePacket,
});

function withEngine(persistence: Persistence | null, text: string | null): Persistence | null {
  if (text === null) return persistence;
  const engine = persistenceEngines.find((one) => one === text);
  if (engine === undefined)
    throw new ChangeRefused(
      'unknown-scheduler',
      `persistence engine: must be one of ${persistenceEngines.join(', ')}, got ${text}`,
    );
  if (persistence === null)
    throw new ChangeRefused('other', `persistence engine ${engine}: must come with persistence (-p)`);
  return { ...persistence, engine };
}

export const noSuchService = (text: string): ChangeRefused =>
  new ChangeRefused('no-such-service', `service ${text}: must exist`);

const noSuchServer = (text: string): ChangeRefused =>
  new ChangeRefused('no-such-server', `server ${text}: must exist in this service`);

function knownScheduler(text: string): VirtualService['scheduler'] {
  if (isSchedulerName(text)) return text;
  const program = shippedProgram(text, {});
  if (program !== undefined) return program;
  throw new ChangeRefused(
    'unknown-scheduler',
    `scheduler: must be one of ${[...schedulerNames, ...shippedNames].join(', ')}, got ${text}`,
  );
}

/** Addresses the kernel would not take for a server either. Those that are merely unwise are told about in words. */
const isNobody = (address: RealServer['address']): boolean =>
  ['unspecified', 'multicast', 'broadcast'].includes(scopeOf(address));

const withSet = (timeouts: Timeouts, { tcp, tcpFin, udp }: SetTimeouts): Timeouts => ({
  ...timeouts,
  tcpEstablished: tcp || timeouts.tcpEstablished,
  tcpFinWait: tcpFin || timeouts.tcpFinWait,
  udp: udp || timeouts.udp,
});

function firstOf([first]: readonly Listen[]): Listen {
  if (first === undefined) throw new Error('a service listens nowhere'); // no model has such a service
  return first;
}
