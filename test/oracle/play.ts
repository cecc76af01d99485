// SPDX-License-Identifier: Apache-2.0
/**
 * Plays one scenario in a world and writes down what happened:
 *
 *   > ipvsadm -A -t vip:80 -s rr                     a step
 *   > client sends tcp client:40000 > vip:80 …
 *   rs3 gets tcp client:40000 > rs3:8080 …           what left anywhere because of it
 *
 * The order of packets that arrive at one place is kept, that between places is not: they are sorted.
 */
import { describe } from './describe.js';
import { hosts, type Host } from './lab.js';
import { Names } from './names.js';
import { compose, type Packet } from './packet.js';
import type { Scenario } from './scenario.js';
import type { Capture, Connection, ServerLine, World } from './world.js';

export class Play {
  readonly lines: string[] = [];
  /** How many steps came from a random number so far. */
  randomSteps = 0;
  readonly names: Names;
  readonly #world: World;
  /** The addresses of its services, which may be literal ones. */
  readonly #virtuals = new Set<string>();
  /** When the last packet of an endpoint was through, on `#clock`. */
  readonly #heard = new Map<string, number>();
  #waitedMs = 0;

  constructor(world: World, scenarioNumber: number) {
    this.#world = world;
    this.names = new Names(scenarioNumber);
  }

  async ipvsadm(...lines: readonly string[]): Promise<void> {
    this.lines.push(...lines.map((line) => `> ipvsadm ${line}`));
    const expanded = lines.map((line) => this.names.expand(line));
    for (const line of expanded) {
      const [, address] = /^-A (?:-[tu]|--sctp-service) (\S+):\d+/.exec(line) ?? [];
      if (address !== undefined) this.#virtuals.add(address);
    }
    await this.#world.ipvsadm(expanded);
  }

  /** Gives packets to these listeners, each like `tcp vip:80`, a mark. */
  async mark(mark: number, ...listeners: readonly string[]): Promise<void> {
    this.lines.push(...listeners.map((listener) => `> mark ${mark}: ${listener}`));
    await this.#world.mark(
      mark,
      listeners.map((text) => {
        const [, protocol, address = '', port] = /^(tcp|udp|sctp) (.+):(\d+)$/.exec(text) ?? [];
        if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') throw new Error(text);
        return { protocol, address: this.names.address(address), port: Number(port) };
      }),
    );
  }

  /** Sends and writes down. The packet may be bytes, for what cannot be composed. */
  async send(from: Host, packet: Packet | Buffer): Promise<readonly Capture[]> {
    const bytes = Buffer.isBuffer(packet) ? packet : compose(packet, this.names);
    const text = describe(bytes, this.names);
    this.lines.push(`> ${from} sends ${text}`);
    const captures = await this.#world.send(from, bytes);
    const [, source = '', , destination = ''] = text.split(' ');
    for (const endpoint of [source, destination])
      for (const one of [endpoint, endpoint.replace(/:\d+$/, ':0')]) this.#heard.set(one, this.#clock);
    return this.#arrived(captures);
  }

  async wait(milliseconds: number): Promise<void> {
    this.lines.push(`> wait ${milliseconds} ms`);
    const captures = await this.#world.wait(milliseconds);
    this.#waitedMs += milliseconds;
    this.#arrived(captures);
  }

  /** Milliseconds, but for those the scenario wanted to pass: how long playing it takes is the machine's matter. */
  get #clock(): number {
    return performance.now() - this.#waitedMs;
  }

  /**
   * The connections of this scenario, as `ipvsadm -Lnc` has them. What is left of their time is what was left when
   * they were heard of last, rounded up to tens of seconds: the timeout of the state shows, the time it takes to play not.
   */
  async connections(roundedTo = 10): Promise<readonly Connection[]> {
    this.lines.push('> connections');
    const now = this.#clock; // before, so that no more is added than has passed
    const connections = (await this.#world.connections())
      // One whose time is up is gone, whether or not somebody has come by to take it away.
      .filter((row) => row.expiresInSeconds > 0 && this.#isOurs(row));
    const rows = connections.map((row) => {
      const { protocol, state, client, virtual, real, expiresInSeconds, callId } = row;
      const [from = '', to = '', via = ''] = [client, virtual, real].map((one) => this.names.shorten(one));
      const elapsed = (now - (this.#heard.get(from) ?? now)) / 1000;
      // One less, so that what was rounded off never carries a timeout over a ten: SCTP has 61 s.
      const seconds = Math.max(1, Math.ceil((expiresInSeconds + elapsed - 1) / roundedTo)) * roundedTo;
      const call = callId === undefined ? '' : ` call ${callId}`;
      return `${protocol} ${state} ${from} ${to} ${via} ${seconds} s${call}`;
    });
    this.#tell(rows.sort());
    return connections;
  }

  /** Servers of a service with weight and connection counts, as `ipvsadm -Ln` has them. */
  async servers(service: string): Promise<readonly ServerLine[]> {
    this.lines.push(`> servers ${service}`);
    const servers = (await this.#world.servers(this.names.expand(service))).map((one) => ({
      ...one,
      server: this.names.shorten(one.server),
    }));
    const rows = servers.map(
      ({ server, weight, active, inactive }) =>
        `${server} weight=${weight} active=${active} inactive=${inactive}`,
    );
    this.#tell(rows.sort());
    return servers;
  }

  /** Steps that chance has a hand in: not written down, so that `claim` can say what holds of them all. */
  async unseen<T>(what: string, steps: () => Promise<T>): Promise<T> {
    this.lines.push(`> ${what}`);
    const { length } = this.lines;
    const result = await steps();
    this.lines.length = length;
    return result;
  }

  claim(sentence: string, holds: boolean): void {
    this.#tell([`${sentence}: ${holds ? 'yes' : 'no'}`]);
  }

  #isOurs({ client, virtual }: Connection): boolean {
    return (
      this.names.shorten(virtual).startsWith('vip') ||
      this.names.shorten(client).startsWith('client') ||
      this.#virtuals.has(virtual.replace(/:\d+$/, ''))
    );
  }

  note(text: string): void {
    this.lines.push(`# ${text}`);
  }

  #arrived(captures: readonly Capture[]): readonly Capture[] {
    const sorted = hosts.flatMap((host) => captures.filter(({ at }) => at === host));
    this.#tell(
      sorted.length === 0
        ? ['nothing']
        : sorted.map(({ at, bytes }) => `${at} gets ${describe(bytes, this.names)}`),
    );
    return sorted;
  }

  #tell(rows: readonly string[]): void {
    this.lines.push(...rows.map((row) => `    ${row}`));
  }
}

export interface Played {
  readonly lines: readonly string[];
  readonly randomSteps: number;
}

export async function playScenario(
  world: World,
  scenario: Scenario,
  scenarioNumber: number,
): Promise<Played> {
  const play = new Play(world, scenarioNumber);
  const sysctls = scenario.sysctls ?? {};
  play.lines.push(...Object.entries(sysctls).map(([name, value]) => `> sysctl net.ipv4.vs.${name}=${value}`));
  await world.begin(scenario.vsnat ?? {}, sysctls);
  try {
    await scenario.play(play);
  } finally {
    await world.end();
  }
  return { lines: play.lines, randomSteps: play.randomSteps };
}
