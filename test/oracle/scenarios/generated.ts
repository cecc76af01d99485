// SPDX-License-Identifier: Apache-2.0
/**
 * Packets nobody would think of: random sequences over several connections at once, each from a seed that its name
 * tells. They keep away from what differs on purpose (docs/differences.md), so that whatever differs is a find.
 */
import { Conversation, pattern, serviceLines } from '../conversation.js';
import { compose, type IpFields, type Packet } from '../packet.js';
import type { Play } from '../play.js';
import { Random } from '../random.js';
import type { Scenario, Topic } from '../scenario.js';

/** Short, so that no state runs out in one world and not in the other while a scenario is played. */
const steps = 150;
const seeds = Array.from({ length: 16 }, (_, i) => 1_000 + i);

interface Connection {
  readonly conversation: Conversation;
  readonly client: string;
  readonly to: string;
  /** Once SYNs came out of turn, which RST to believe is a matter of opinion (blind-reset). */
  isTidy: boolean;
  hasReplied: boolean;
}

const weighted = {
  clientFlags: ['S', 'S', 'A', 'A', 'PA', 'PA', 'FA', 'RA', 'R'],
  serverFlags: ['SA', 'SA', 'A', 'A', 'PA', 'PA', 'FA', 'RA'],
} as const;

class Storm {
  readonly #play: Play;
  readonly #random: Random;
  readonly #mark: '' | '-v6';
  readonly #connections: readonly [Connection, ...Connection[]];

  constructor(play: Play, seed: number) {
    this.#play = play;
    this.#random = new Random(seed);
    this.#mark = seed % 2 === 0 ? '' : '-v6';
    const mark = this.#mark;
    // A port belongs to one service: the same port to two of them is the matter of sharing.ts.
    const make = (i: number): Connection => {
      const client = `client${(i % 3) + 1}${mark}`.replace('client1', 'client');
      const to = i % 2 === 0 ? `vip${mark}:80` : `vip2${mark}:443`;
      const port = 40_000 + i;
      const conversation = new Conversation(play, { client, port, to });
      return { conversation, client: `${client}:${port}`, to, isTidy: true, hasReplied: false };
    };
    this.#connections = [make(0), ...Array.from({ length: 7 }, (_, i) => make(i + 1))];
  }

  async run(): Promise<void> {
    const mark = this.#mark;
    await this.#play.ipvsadm(
      ...serviceLines(`-t vip${mark}:80`, 'rr'),
      ...serviceLines(
        `-t vip2${mark}:443`,
        'wlc',
        ['rs1:8080 -w 2', 'rs2:8080 -w 1', 'rs3:8080 -w 3'].map((s) => s.replace(':', `${mark}:`)),
      ),
      ...serviceLines(`-u vip${mark}:53`, 'rr'),
    );
    for (let step = 0; step < steps; step += 1) {
      await this.#step();
      this.#play.randomSteps += 1;
      if (step % 25 === 24) await this.#play.connections(60);
    }
    for (const service of [`-t vip${mark}:80`, `-t vip2${mark}:443`, `-u vip${mark}:53`])
      await this.#play.servers(service);
  }

  #step(): Promise<unknown> {
    const kind = this.#random.below(20);
    if (kind < 9) return this.#fromClient();
    if (kind < 14) return this.#fromServer();
    if (kind < 17) return this.#datagram();
    if (kind < 19) return this.#error();
    return this.#weight();
  }

  #ip(): IpFields {
    const random = this.#random;
    return {
      ttl: random.once(4) ? 2 + random.below(254) : 64,
      ...(random.once(4) && { tos: random.below(64) * 4 }),
      ...(this.#mark === '' && random.once(4) && { df: false }),
    };
  }

  #data(flags: string): { readonly data?: Buffer } {
    return flags.includes('P') ? { data: pattern(1 + this.#random.below(600)) } : {};
  }

  async #fromClient(): Promise<void> {
    const connection = this.#random.of(this.#connections);
    const isFirst = connection.conversation.server === null;
    let flags: string = this.#random.of(weighted.clientFlags);
    if (flags.includes('R') && !connection.isTidy) flags = 'A';
    if (flags === 'S' && !isFirst) connection.isTidy = false;
    await connection.conversation.segment('client', {
      flags,
      ...this.#data(flags),
      ip: this.#ip(),
      ...(this.#random.once(10) && flags !== 'S' && !isFirst && { checksum: 'bad' as const }),
    });
  }

  async #fromServer(): Promise<void> {
    const connection = this.#random.of(this.#connections);
    let flags: string = this.#random.of(weighted.serverFlags);
    if (flags.includes('R') && !connection.isTidy) flags = 'A';
    if (flags === 'SA' && connection.hasReplied) connection.isTidy = false;
    connection.hasReplied = true;
    await connection.conversation.segment('server', { flags, ...this.#data(flags), ip: this.#ip() });
  }

  async #datagram(): Promise<void> {
    const [mark, random] = [this.#mark, this.#random];
    const client = `client${mark}:${50_000 + random.below(4)}`;
    const fields = {
      kind: 'udp' as const,
      data: pattern(random.below(700)),
      ip: this.#ip(),
      ...(random.once(10) && { checksum: 'bad' as const }),
    };
    if (random.once(2)) {
      await this.#play.send('client', { ...fields, from: client, to: `vip${mark}:53` });
    } else {
      const server = random.of(['rs1', 'rs2', 'rs3'] as const);
      await this.#play.send(server, { ...fields, from: `${server}${mark}:8080`, to: client });
    }
  }

  async #error(): Promise<void> {
    const [mark, random] = [this.#mark, this.#random];
    const { conversation, client, to } = random.of(this.#connections);
    const server = conversation.server ?? 'rs1';
    const quote = (packet: Packet): Buffer =>
      compose(packet, this.#play.names).subarray(0, (mark === '' ? 20 : 40) + 8);
    const type = mark === '' ? random.of([3, 11] as const) : random.of([1, 3] as const);
    const fields = { kind: 'icmp' as const, type, code: random.below(2), ip: this.#ip() };
    if (random.once(2)) {
      const about = quote({
        kind: 'tcp',
        from: client,
        to: conversation.serverEndpoint(),
        flags: 'A',
        seq: 1,
      });
      await this.#play.send(server, {
        ...fields,
        from: `${server}${mark}`,
        to: client.replace(/:\d+$/, ''),
        data: about,
      });
    } else {
      const about = quote({ kind: 'tcp', from: to, to: client, flags: 'A', seq: 1 });
      await this.#play.send('client', {
        ...fields,
        from: `client77${mark}`,
        to: to.replace(/:\d+$/, ''),
        data: about,
      });
    }
  }

  async #weight(): Promise<void> {
    const [mark, random] = [this.#mark, this.#random];
    const service = random.of([`-t vip${mark}:80`, `-t vip2${mark}:443`, `-u vip${mark}:53`] as const);
    const server = random.of(['rs1', 'rs2', 'rs3'] as const);
    await this.#play.ipvsadm(`-e ${service} -r ${server}${mark}:8080 -m -w ${random.below(4)}`);
  }
}

export const generated: Topic = {
  name: 'generated',
  scenarios: seeds.map((seed): Scenario => ({
    name: `${steps} random steps from seed ${seed}`,
    play: (play) => new Storm(play, seed).run(),
  })),
};
