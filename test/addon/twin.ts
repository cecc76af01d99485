// SPDX-License-Identifier: Apache-2.0
/**
 * A service twice: as a director over the addon's memory device, with real packets, and as the TypeScript reference
 * with connections counted by hand. begin() asks both and gives both answers.
 */
import { Director, type MemoryDirector } from '../../src/director/director.js';
import { parseConfig } from '../../src/config/index.js';
import {
  noLoad,
  realServer,
  serverId,
  virtualService,
  type CustomScheduler,
  type IpAddress,
  type Past,
  type Plan,
  type RealServer,
  type SchedulerFlag,
  type SchedulerName,
} from '../../src/model/index.js';
import { schedulerFor, withLastWeights, type SchedulerServer } from '../../src/scheduler/index.js';
import { carryMemory, pick, type LiveServer, type Memory } from '../../src/scheduler/simulate.js';
import { siphash13 } from '../../src/scheduler/siphash.js';
import { destinationOf, tcp, tcpFlag, udp } from './segments.js';

export interface TwinServer {
  readonly name: string;
  readonly weight: number;
  readonly limit?: number;
}

export interface Newcomer {
  readonly protocol: 'tcp' | 'udp';
  readonly client: string;
  readonly vip: string;
}

interface Connection extends Newcomer {
  readonly port: number;
  readonly server: string;
  active: boolean;
  endsAt: number;
}

/** So long that no history outlasts an open connection. */
const longSeconds = 2_592_000;
const closeSeconds = 10;
const timeWaitSeconds = 120;

export const addressOf = (name: string): string => `10.0.0.${name.charCodeAt(0) - 64}`;
const nameAt = (address: string): string => String.fromCharCode(64 + Number(address.split('.')[3]));

export class Twin {
  readonly #director: MemoryDirector;
  readonly #scheduler: SchedulerName | CustomScheduler;
  readonly #flags: readonly SchedulerFlag[];
  readonly #vips: readonly string[];
  #seconds = 1000;
  #nextPort = 1024;

  // The reference.
  readonly #random = splitMix64(BigInt(siphash13(0, 0n, 0n))); // lane 0 under a hash key of zeros
  #servers: readonly RealServer[] = [];
  #planned: readonly SchedulerServer[] = [];
  #plan: Plan;
  #cursor = 0;
  #memory: Memory = new Map();
  #connections: Connection[] = [];
  readonly #overloaded = new Set<string>();

  constructor(
    scheduler: SchedulerName | CustomScheduler,
    flags: readonly SchedulerFlag[],
    vips: readonly string[],
  ) {
    this.#scheduler = scheduler;
    this.#flags = flags;
    this.#vips = vips;
    this.#plan = this.#planOf([]);
    // A key of zeros makes the director's draws repeatable.
    this.#director = Director.memory(this.#model(), { hashKey: new Uint8Array(16) });
  }

  get names(): readonly string[] {
    return this.#servers.map((server) => nameAt(server.address));
  }

  async configure(servers: readonly TwinServer[]): Promise<void> {
    this.#servers = servers.map(({ name, weight, limit = 0 }) =>
      realServer(`${addressOf(name)}:8080`, { weight, upperThreshold: limit }),
    );
    await this.#director.apply(this.#model());
    const weights = (list: readonly SchedulerServer[]): string =>
      JSON.stringify(list.map((server) => [serverId(server), server.weight]));
    if (weights(this.#servers) !== weights(this.#planned)) {
      const past = { plan: this.#plan, servers: this.#planned, cursor: this.#cursor };
      const next = withLastWeights(this.#servers, this.#planned);
      this.#plan = this.#planOf(next, past);
      this.#memory = carryMemory(this.#memory, this.#planned, next);
      this.#planned = next;
      this.#cursor = 0;
    }
    for (const server of this.#servers) {
      const name = nameAt(server.address);
      if (this.#clears(name)) this.#overloaded.delete(name);
      else if (this.#total(name) >= server.upperThreshold) this.#overloaded.add(name);
    }
  }

  /** The names the director and the reference give a new connection; "-" for none. */
  begin({ protocol, client, vip }: Newcomer): readonly [string, string] {
    const port = this.#nextPort++;
    const ends = { from: client, fromPort: port, to: vip, toPort: 80 };
    const got = this.#send(protocol === 'tcp' ? tcp({ ...ends, flags: tcpFlag.syn }) : udp(ends));
    const live = this.#live();
    const picked = pick(this.#plan, live, { address: client as IpAddress, port }, this.#cursor, {
      destination: vip as IpAddress,
      memory: this.#memory,
      nowSeconds: this.#seconds,
      draw: (bound) => Number((this.#random() * BigInt(bound)) >> 64n),
    });
    this.#cursor = picked.cursor;
    this.#memory = picked.memory;
    const server = picked.server === null ? '-' : (this.names[picked.server] ?? '?');
    if (server !== '-') {
      const endsAt = this.#seconds + longSeconds;
      this.#connections.push({ protocol, client, vip, port, server, endsAt, active: protocol === 'tcp' });
      const limit = this.#servers.find(({ address }) => nameAt(address) === server)?.upperThreshold ?? 0;
      if (limit > 0 && this.#total(server) >= limit) this.#overloaded.add(server);
    }
    return [got, server];
  }

  /** An open TCP connection ends: its server refuses it, or its client closes it. It stays, inactive, for a while. */
  end(which: number, how: 'refused' | 'closed'): void {
    const open = this.#connections.filter(({ active }) => active);
    const connection = open[which % Math.max(open.length, 1)];
    if (connection === undefined) return;
    const { client, port, server, vip } = connection;
    if (how === 'closed') {
      this.#send(
        tcp({ from: client, fromPort: port, to: vip, toPort: 80, flags: tcpFlag.fin | tcpFlag.ack, seq: 1 }),
      );
    } else {
      const reset = { from: addressOf(server), fromPort: 8080, to: client, toPort: port };
      this.#send(tcp({ ...reset, flags: tcpFlag.rst | tcpFlag.ack, ack: 1 }));
    }
    connection.active = false;
    connection.endsAt = this.#seconds + (how === 'closed' ? timeWaitSeconds : closeSeconds);
  }

  wait(seconds: number): void {
    this.#seconds += seconds;
    this.#director.expire(this.#seconds * 1000);
    const gone = this.#connections.filter(({ endsAt }) => endsAt <= this.#seconds);
    this.#connections = this.#connections.filter(({ endsAt }) => endsAt > this.#seconds);
    for (const { server } of gone) if (this.#clears(server)) this.#overloaded.delete(server);
  }

  /** What both count: "name active/inactive" of each server, and "!" when it is overloaded. */
  counts(): readonly [string, string] {
    const text = (list: readonly (Omit<LiveServer, 'weight'> & { readonly name: string })[]): string =>
      list
        .map((it) => `${it.name} ${it.active}/${it.inactive}${it.overloaded ? '!' : ''}`)
        .sort()
        .join(', ');
    const [service] = this.#director.services();
    const got = (service?.servers ?? []).map((it) => ({
      ...it,
      name: nameAt(it.server.split(':')[0] ?? ''),
    }));
    return [text(got), text(this.#live().map((it, index) => ({ ...it, name: this.names[index] ?? '?' })))];
  }

  async close(): Promise<void> {
    await this.#director.close();
  }

  #planOf(servers: readonly SchedulerServer[], past?: Past): Plan {
    const scheduler = this.#scheduler;
    if (typeof scheduler === 'string') return schedulerFor(scheduler, this.#flags).plan(servers, past);
    const loads = servers.map(() => noLoad);
    return scheduler.plan(servers, loads, {
      service: 'twin',
      protocols: ['tcp', 'udp'],
      options: {},
      nowMs: 0,
      memory: new Map(),
    });
  }

  #send(packet: Uint8Array): string {
    const { verdict, outputs } = this.#director.process({ packet, nowMs: this.#seconds * 1000 });
    const [output] = outputs;
    return verdict === 'forwarded' && output !== undefined ? nameAt(destinationOf(output.packet)) : '-';
  }

  #live(): LiveServer[] {
    return this.#servers.map(({ address, weight }) => {
      const name = nameAt(address);
      const active = this.#connections.filter((it) => it.server === name && it.active).length;
      return {
        weight,
        active,
        inactive: this.#total(name) - active,
        overloaded: this.#overloaded.has(name),
      };
    });
  }

  #total(name: string): number {
    return this.#connections.filter(({ server }) => server === name).length;
  }

  /** Below its lower threshold, which is three quarters of the upper one, or without any. */
  #clears(name: string): boolean {
    const upper = this.#servers.find(({ address }) => nameAt(address) === name)?.upperThreshold ?? 0;
    return upper === 0 || this.#total(name) < upper - Math.floor(upper / 4);
  }

  #model() {
    const service = virtualService({
      name: 'twin',
      listen: this.#vips.flatMap((vip) => [`tcp://${vip}:80`, `udp://${vip}:80`]),
      scheduler: this.#scheduler,
      flags: this.#flags,
      servers: this.#servers,
      timeouts: { tcpSynRecv: longSeconds, udp: longSeconds },
    });
    return { ...parseConfig('services: []\nflows: { capacity: 4096 }').model, services: [service] };
  }
}

/** native/base/prng.h. */
function splitMix64(seed: bigint): () => bigint {
  const mask = (1n << 64n) - 1n;
  let state = seed;
  return () => {
    state = (state + 0x9e3779b97f4a7c15n) & mask;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask;
    return z ^ (z >> 31n);
  };
}
