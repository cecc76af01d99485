// SPDX-License-Identifier: Apache-2.0
/**
 * A running director under ipvsadm: changed operation by operation, shown as a virtual server table. Changes and
 * files take turns, each starts from what the one before left, and each is one swap.
 *
 * A file that is loaded again is the truth: what was changed at run time is gone then, and `load` says what it was.
 */
import {
  flagNumber,
  netmaskOf,
  wholeClient,
  type ServiceKey,
  type Table,
  type TableServer,
  type TableService,
} from '../ipvsadm/index.js';
import { serverId, serviceFamily, type Model, type VirtualService } from '../model/index.js';
import {
  applyOperations,
  findService,
  kernelSetTimeouts,
  noSuchService,
  type SetTimeouts,
} from './change.js';
import { describeChange, diffModels, type Change } from './diff.js';
import type { Director } from './director.js';
import { Ledger } from './ledger.js';
import type { Operation } from './operation.js';
import type { ServerReport, ServiceReport } from './report.js';

export type ChangeableDirector = Pick<Director, 'apply' | 'change' | 'model' | 'services'>;

export interface Loaded {
  readonly changes: readonly Change[];
  readonly lost: readonly Change[];
}

export class RunTime {
  readonly #director: ChangeableDirector;
  readonly #ledger = new Ledger();
  #timeouts = kernelSetTimeouts;
  #file: Model;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(director: ChangeableDirector) {
    this.#director = director;
    this.#file = director.model;
    this.#ledger.look(director.services());
  }

  /** What `--set` has set, and a service made now would get. */
  get timeouts(): SetTimeouts {
    return this.#timeouts;
  }

  /** Obeys all operations or none. Throws ChangeRefused, or what the dataplane or the host refused with. */
  change(operations: readonly Operation[]): Promise<readonly Change[]> {
    return this.#inTurn(() => this.#change(operations));
  }

  /** Makes a file's model the running one, and says which changes since the last file that has undone. */
  load(file: Model): Promise<Loaded> {
    return this.#inTurn(async () => {
      const lost = this.#lostTo(file);
      this.#ledger.look(this.#director.services());
      const changes = await this.#director.apply(file);
      this.#file = file;
      this.#timeouts = kernelSetTimeouts;
      this.#ledger.look(this.#director.services());
      return { changes, lost };
    });
  }

  async #change(operations: readonly Operation[]): Promise<readonly Change[]> {
    let timeouts = this.#timeouts;
    const changes = await this.#director.change((model) => {
      this.#ledger.look(this.#director.services());
      const changed = applyOperations({ model, timeouts: this.#timeouts }, operations);
      timeouts = changed.timeouts;
      return changed.model;
    });
    this.#timeouts = timeouts;
    this.#ledger.look(this.#director.services());
    return changes;
  }

  /** Zeroes the totals and rates of the service that listens there, or (null) of all. Throws ChangeRefused. */
  zero(service: string | null): void {
    const found = service === null ? undefined : findService(this.#director.model.services, service);
    if (service !== null && found === undefined) throw noSuchService(service);
    this.#ledger.look(this.#director.services());
    this.#ledger.zero(found?.name ?? null);
  }

  /** To be called every two seconds; rates are made of it. */
  tick(): void {
    this.#ledger.tick(this.#director.services());
  }

  #lostTo(file: Model): readonly Change[] {
    const kept = new Set(diffModels(this.#file, file).map(describeChange));
    return diffModels(this.#file, this.#director.model).filter(
      (change) => change.what !== 'setting' && !kept.has(describeChange(change)),
    );
  }

  table(): Table {
    const reports = this.#director.services();
    this.#ledger.look(reports);
    const byName = new Map(reports.map((report) => [report.service, report]));
    const { services, flows } = this.#director.model;
    return {
      size: flows.capacity,
      timeouts: this.#timeouts,
      services: services.flatMap((service) =>
        keysOf(service).map((key) => this.#tableService(service, key, byName.get(service.name))),
      ),
    };
  }

  /** Files and changes one after the other, with what is remembered of them. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => undefined); // the caller has the failure
    return result;
  }

  #tableService(service: VirtualService, key: ServiceKey, report: ServiceReport | undefined): TableService {
    const { persistence } = service;
    const reports = new Map(report?.servers.map((server) => [server.server, server]));
    return {
      key,
      scheduler: service.scheduler,
      flags: service.flags.map(flagNumber).sort(),
      persistence: persistence?.timeoutSeconds ?? null,
      netmask: persistence === null ? wholeClient(key) : netmaskOf(key, persistence),
      engine: null,
      onePacket: service.onePacket,
      ...this.#ledger.ofService(service.name),
      servers: service.servers
        .map((server): TableServer => {
          const id = serverId(server);
          const { active = 0, inactive = 0, persistent = 0 }: Partial<ServerReport> = reports.get(id) ?? {};
          return {
            address: server.address,
            port: server.port,
            weight: server.weight,
            upperThreshold: server.upperThreshold,
            lowerThreshold: server.lowerThreshold,
            active,
            inactive,
            persistent,
            ...this.#ledger.ofServer(service.name, id),
          };
        })
        .reverse(),
    };
  }
}

/** The addresses of a mark are not services of their own. */
const keysOf = (service: VirtualService): readonly ServiceKey[] =>
  service.mark === null ? service.listen : [{ mark: service.mark, family: serviceFamily(service) }];
