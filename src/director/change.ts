// SPDX-License-Identifier: Apache-2.0
/**
 * From what runs to what shall run, operation by operation. Pure: a list of operations is obeyed whole or refused
 * whole, because the result is one model that is checked and swapped in like a file's. Refusals come in the order and
 * with the reasons of the kernel (ip_vs_ctl.c), and then in the words of the configuration's own checks.
 */
import { problemsOf } from '../config/index.js';
import {
  kernelTimeouts,
  parseServer,
  parseWeight,
  patientDrain,
  persistenceEngines,
  ruleFamily,
  scopeOf,
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
import { DraftServices, type DraftService } from './draft-services.js';
import { once } from './once.js';
import type { Operation } from './operation.js';
import { derivedName, noSuchService, readPlace, type MarkPlace, type ServicePlace } from './service-key.js';

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

class Draft {
  readonly #before: Model;
  readonly #file: () => DraftServices;
  /** As it was; to be asked for what a service was before it was deleted and made again. */
  readonly #then: () => DraftServices;
  readonly #services: DraftServices;
  #timeouts: SetTimeouts;

  constructor({ model, timeouts, file }: Changed) {
    this.#before = model;
    this.#file = once(() => new DraftServices(file?.services ?? []));
    this.#then = once(() => new DraftServices(model.services));
    this.#services = new DraftServices(model.services);
    this.#timeouts = timeouts;
  }

  get changed(): Changed {
    return { model: { ...this.#before, services: this.#services.list }, timeouts: this.#timeouts };
  }

  obey(operation: Operation): void {
    switch (operation.op) {
      case 'add-service':
        return this.#addService(operation);
      case 'edit-service':
        return this.#existing(operation.service).set(settingsOf(operation));
      case 'delete-service':
        return this.#deleteService(operation.service);
      case 'add-server':
      case 'edit-server':
        return this.#setServer(operation);
      case 'delete-server':
        return this.#deleteServer(operation.service, operation.server);
      case 'clear':
        return this.#services.clear();
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
    if (this.#services.find(text) !== undefined)
      throw new ChangeRefused('service-exists', `service ${text}: must be new, got one that exists`);
    const place = readPlace(text);
    const known = this.#then().find(text)?.service;
    const made: VirtualService = {
      name: this.#nameFor(place, known),
      listen: 'mark' in place ? (known?.listen ?? listenOf(place, this.#before.marks)) : [place],
      ...settingsOf(operation),
      servers: [],
      // Rules say nothing of timeouts and helpers: a service that is cleared and restored keeps those it had.
      timeouts: known?.timeouts ?? withSet(kernelTimeouts, this.#timeouts),
      mark: 'mark' in place ? place.mark : null,
      helper: known?.helper ?? 'none',
      health: known?.health ?? [],
      slowStart: known?.slowStart ?? null,
      drain: known?.drain ?? patientDrain,
      quorum: known?.quorum ?? null,
      sorryServers: known?.sorryServers ?? [],
    };
    this.#services.add(made, known);
  }

  /** Of a service that was there before the list of operations, its old name: counters and connections hang on it. */
  #nameFor(place: ServicePlace, known: VirtualService | undefined): string {
    const wanted = derivedName(place);
    for (const name of [known?.name, wanted])
      if (name !== undefined && !this.#services.hasName(name)) return name;
    let number = 2;
    while (this.#services.hasName(`${wanted}-${number}`)) number += 1;
    return `${wanted}-${number}`;
  }

  /** One service of a file may listen on several addresses; ipvsadm sees, and deletes, each on its own. */
  #deleteService(text: string): void {
    const draft = this.#existing(text);
    const { mark, name, listen } = draft.settings;
    if (mark !== null || name === text || listen.length === 1) this.#services.delete(draft);
    else this.#services.deletePlace(draft, text);
  }

  #setServer(operation: OperationOf<'add-server' | 'edit-server'>): void {
    const draft = this.#existing(operation.service);
    const made = serverOf(operation, draft);
    const old = draft.server(operation.server);
    if (operation.op === 'add-server' && old !== undefined)
      throw new ChangeRefused(
        'server-exists',
        `server ${operation.server}: must be new, got one that exists`,
      );
    if (operation.op === 'edit-server' && old === undefined) throw noSuchServer(operation.server);
    draft.setServer(old === undefined ? made : { ...made, routed: old.routed });
  }

  #adjustServer(operation: OperationOf<'set-weight' | 'disable' | 'drain' | 'enable' | 'undrain'>): void {
    const draft = this.#existing(operation.service);
    const old = draft.server(operation.server);
    if (old === undefined) throw noSuchServer(operation.server);
    const { name, drain } = draft.settings;
    const inFile = (): RealServer | undefined => this.#file().find(name)?.server(operation.server);
    draft.setServer(adjustedServer(old, operation, drain, inFile));
  }

  #deleteServer(serviceText: string, text: string): void {
    const draft = this.#existing(serviceText);
    if (draft.server(text) === undefined) throw noSuchServer(text);
    draft.deleteServer(text);
  }

  #setTimeouts({ tcp, tcpFin, udp }: OperationOf<'set-timeouts'>): void {
    const wanted = { tcp, tcpFin, udp };
    this.#timeouts = {
      tcp: tcp || this.#timeouts.tcp,
      tcpFin: tcpFin || this.#timeouts.tcpFin,
      udp: udp || this.#timeouts.udp,
    };
    this.#services.setAll(({ timeouts }) => ({ timeouts: withSet(timeouts, wanted) }));
  }

  #existing(text: string): DraftService {
    const draft = this.#services.find(text);
    if (draft === undefined) throw noSuchService(text);
    return draft;
  }
}

function serverOf(
  { server: text, weight, upperThreshold, lowerThreshold }: OperationOf<'add-server' | 'edit-server'>,
  draft: DraftService,
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
  const known = draft.serverBefore(text);
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

type OperationOf<Name extends Operation['op']> = Extract<Operation, { readonly op: Name }>;

/** What a firewall would mark so, in the kernel; here the configuration says it. */
function listenOf({ mark, family }: MarkPlace, rules: readonly MarkRule[]): readonly Listen[] {
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
  ['unspecified', 'multicast', 'broadcast', 'reserved'].includes(scopeOf(address));

const withSet = (timeouts: Timeouts, { tcp, tcpFin, udp }: SetTimeouts): Timeouts => ({
  ...timeouts,
  tcpEstablished: tcp || timeouts.tcpEstablished,
  tcpFinWait: tcpFin || timeouts.tcpFinWait,
  udp: udp || timeouts.udp,
});
