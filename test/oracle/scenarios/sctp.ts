// SPDX-License-Identifier: Apache-2.0
/** SCTP associations: every chunk from either side in every state, checksums, errors, what nobody waits for. */
import { hosts, type Host } from '../lab.js';
import { familyMark, pattern, serviceLines } from '../conversation.js';
import { chunkTypes, compose, type ChunkName, type SctpPacket } from '../packet.js';
import type { Play } from '../play.js';
import { Random } from '../random.js';
import type { Scenario, Topic } from '../scenario.js';

const service = (mark = ''): string => `--sctp-service vip${mark}:5000`;

/** `>INIT <INIT-ACK >COOKIE-ECHO+DATA`: the chunks of one packet are joined by +. */
class Association {
  server: Host = hosts[1];
  readonly #play: Play;
  readonly #client: string;
  readonly #to: string;

  constructor(play: Play, client = 'client', port = 40_000, to = `vip${familyMark(client)}:5000`) {
    this.#play = play;
    this.#client = `${client}:${port}`;
    this.#to = to;
  }

  async say(text: string, fields: Partial<SctpPacket> = {}, states = false): Promise<void> {
    for (const token of text.split(' ')) {
      const chunks = token.slice(1).split('+') as ChunkName[];
      await this.packet(token.startsWith('>'), { chunks, ...fields });
      if (states) await this.#play.connections();
    }
  }

  async packet(isRequest: boolean, fields: Partial<SctpPacket> & Pick<SctpPacket, 'chunks'>): Promise<void> {
    const server = `${this.server}${familyMark(this.#client)}:8080`;
    const packet: SctpPacket = {
      kind: 'sctp',
      from: isRequest ? this.#client : server,
      to: isRequest ? this.#to : this.#client,
      ...fields,
    };
    const arrived = await this.#play.send(isRequest ? 'client' : this.server, packet);
    if (isRequest) this.server = arrived.find(({ at }) => at !== 'client')?.at ?? this.server;
  }
}

const handshake = '>INIT <INIT-ACK >COOKIE-ECHO <COOKIE-ACK';
const paths: Readonly<Record<string, string>> = {
  'an association the client shuts down': `${handshake} >DATA <SACK >SHUTDOWN <SHUTDOWN-ACK >SHUTDOWN-COMPLETE`,
  'an association the server shuts down': `${handshake} <DATA >SACK <SHUTDOWN >SHUTDOWN-ACK <SHUTDOWN-COMPLETE`,
  'both ends shutting down at once': `${handshake} >SHUTDOWN <SHUTDOWN <SHUTDOWN-ACK >SHUTDOWN-ACK >SHUTDOWN-COMPLETE`,
  'a refused association': '>INIT <ABORT',
  'a client that aborts': `${handshake} >DATA >ABORT`,
  'a server that aborts': `${handshake} <ABORT`,
  'an INIT that is repeated': '>INIT >INIT <INIT-ACK',
  'an INIT inside an association': `${handshake} >INIT <INIT-ACK`,
  'data with the cookie': '>INIT <INIT-ACK >COOKIE-ECHO+DATA <COOKIE-ACK+SACK',
  'a cookie with an ABORT behind it': '>INIT <INIT-ACK >COOKIE-ECHO+ABORT',
  'a cookie answered with an ABORT behind it': '>INIT <INIT-ACK >COOKIE-ECHO <COOKIE-ACK+ABORT',
  'a stale cookie': '>INIT <INIT-ACK >COOKIE-ECHO <ERROR',
  heartbeats: `${handshake} >HEARTBEAT <HEARTBEAT-ACK <HEARTBEAT >HEARTBEAT-ACK`,
};

const sentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const path = (name: string, text: string, mark: '' | '-v6'): Scenario => ({
  name: `${sentence(name)}, over IPv${mark === '' ? 4 : 6}`,
  play: async (play) => {
    await play.ipvsadm(...serviceLines(service(mark), 'rr'));
    await new Association(play, `client${mark}`).say(text, {}, true);
    await play.servers(service(mark));
  },
});

const names = Object.keys(chunkTypes) as [ChunkName, ...ChunkName[]];
const walkSteps = 60;

/** Chunks nobody would send in that order: all cells of the state table, in the end. */
const walk = (seed: number): Scenario => ({
  name: `${walkSteps} random chunks from seed ${seed}`,
  play: async (play) => {
    const random = new Random(seed);
    await play.ipvsadm(...serviceLines(service(), 'rr'));
    const associations = [0, 1, 2].map((i) => new Association(play, 'client', 40_000 + i));
    for (const one of associations) await one.say('>INIT');
    for (let step = 0; step < walkSteps; step += 1) {
      const one = associations[random.below(associations.length)];
      // An ABORT ends all walking; it is rare.
      const name = random.of(names);
      const chunk = name === 'ABORT' && !random.once(4) ? 'INIT-ACK' : name;
      await one?.packet(random.once(2), { chunks: [chunk] });
      await play.connections();
      play.randomSteps += 1;
    }
    await play.servers(service());
  },
});

const oddOnes = [
  'DATA',
  'INIT-ACK',
  'COOKIE-ECHO',
  'SHUTDOWN',
  'SHUTDOWN-COMPLETE',
  'ABORT',
  'HEARTBEAT',
] as const;

export const sctp: Topic = {
  name: 'sctp',
  scenarios: [
    ...Object.entries(paths).flatMap(([name, text], i) =>
      i < 3 ? [path(name, text, ''), path(name, text, '-v6')] : [path(name, text, '')],
    ),
    ...oddOnes.flatMap((chunk): Scenario[] => [
      {
        name: `${chunk} to a service, of no association`,
        differs: 'sctp-out-of-the-blue',
        play: async (play) => {
          await play.ipvsadm(...serviceLines(service(), 'rr'));
          await new Association(play).say(`>${chunk}`);
          await play.connections();
        },
      },
      {
        name: `${chunk} to a port without a service`,
        play: async (play) => {
          await play.ipvsadm(...serviceLines(service(), 'rr'));
          await new Association(play, 'client', 40_000, 'vip:5001').say(`>${chunk}`);
        },
      },
      {
        name: `${chunk} to a service, of no association, with sloppy_sctp`,
        ...(chunk === 'ABORT' && { differs: 'sctp-out-of-the-blue' }),
        sysctls: { sloppy_sctp: 1 },
        play: async (play) => {
          await play.ipvsadm(...serviceLines(service(), 'rr'));
          await new Association(play).say(`>${chunk}`);
          await play.connections();
        },
      },
    ]),
    {
      name: 'INIT to a port without a service',
      play: async (play) => {
        await play.ipvsadm(...serviceLines(service(), 'rr'));
        await new Association(play, 'client', 40_000, 'vip:5001').say('>INIT');
      },
    },
    {
      name: 'INIT to a service without servers',
      play: async (play) => {
        await play.ipvsadm(`-A ${service()} -s rr`);
        await new Association(play).say('>INIT');
      },
    },
    {
      name: 'INIT from the port of an association that is closed',
      play: async (play) => {
        await play.ipvsadm(...serviceLines(service(), 'rr'));
        await new Association(play).say('>INIT <ABORT');
        await play.connections();
        await new Association(play).say('>INIT');
        await play.connections();
        await play.servers(service());
      },
    },
    {
      name: 'Associations count as active only when they are established',
      play: async (play) => {
        await play.ipvsadm(...serviceLines(service(), 'wlc'));
        for (let i = 0; i < 5; i += 1)
          await new Association(play, 'client', 40_000 + i).say(i % 2 === 0 ? handshake : '>INIT <INIT-ACK');
        await play.servers(service());
      },
    },
    {
      name: 'Data of any length',
      play: async (play) => {
        await play.ipvsadm(...serviceLines(service(), 'rr'));
        const one = new Association(play);
        await one.say(handshake);
        for (const length of [1, 2, 3, 4, 33, 1000]) await one.say('>DATA <DATA', { data: pattern(length) });
      },
    },
    {
      name: 'A service on the port of its servers: nothing but addresses changes',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('--sctp-service vip:8080', 'rr'));
        await new Association(play, 'client', 40_000, 'vip:8080').say(handshake);
      },
    },
    {
      name: 'A wrong CRC32c, where ports change',
      differs: 'sctp-wrong-checksum-stays-wrong',
      play: async (play) => {
        await play.ipvsadm(...serviceLines(service(), 'rr'));
        const one = new Association(play);
        await one.say('>INIT <INIT-ACK', { checksum: 'bad' });
        await one.say('>COOKIE-ECHO <COOKIE-ACK');
        await play.connections();
      },
    },
    {
      name: 'A wrong CRC32c, where only addresses change',
      play: async (play) => {
        await play.ipvsadm(...serviceLines('--sctp-service vip:8080', 'rr'));
        await new Association(play, 'client', 40_000, 'vip:8080').say('>INIT <INIT-ACK', { checksum: 'bad' });
        await play.connections();
      },
    },
    {
      name: 'The server’s own association passes',
      play: async (play) => {
        await play.ipvsadm(...serviceLines(service(), 'rr'));
        await play.send('rs1', { kind: 'sctp', from: 'rs1:41000', to: 'client:7', chunks: ['INIT'] });
      },
    },
    ...(['', '-v6'] as const).map((mark): Scenario => ({
      name: `An ICMP error about each direction, over IPv${mark === '' ? 4 : 6}`,
      play: async (play) => {
        await play.ipvsadm(...serviceLines(service(mark), 'rr'));
        await new Association(play, `client${mark}`).say('>INIT <INIT-ACK');
        const [client, vip, rs] = [`client${mark}`, `vip${mark}`, `rs3${mark}`];
        const quote = (from: string, to: string): Buffer =>
          compose({ kind: 'sctp', from, to, chunks: ['INIT'] }, play.names).subarray(
            0,
            (mark === '' ? 20 : 40) + 8,
          );
        const error = { kind: 'icmp', type: mark === '' ? 3 : 1, code: mark === '' ? 3 : 4 } as const;
        await play.send('rs3', {
          ...error,
          from: rs,
          to: client,
          data: quote(`${client}:40000`, `${rs}:8080`),
        });
        await play.send('client', {
          ...error,
          from: client,
          to: vip,
          data: quote(`${vip}:5000`, `${client}:40000`),
        });
        await play.connections();
      },
    })),
    {
      name: 'A persistent client stays with its server',
      play: async (play) => {
        await play.ipvsadm(...serviceLines(service(), 'rr -p 100'));
        await new Association(play).say(handshake);
        await new Association(play, 'client', 40_001).say('>INIT');
        await new Association(play, 'client2', 40_002).say('>INIT');
        await play.connections();
      },
    },
    {
      name: 'The header cut',
      play: async (play) => {
        await play.ipvsadm(...serviceLines(service(), 'rr'));
        for (const length of [8, 12, 14])
          await play.send('client', {
            kind: 'other',
            from: 'client',
            to: 'vip',
            protocol: 132,
            data: compose(
              { kind: 'sctp', from: 'client:40000', to: 'vip:5000', chunks: ['INIT'] },
              play.names,
            ).subarray(20, 20 + length),
          });
        await play.connections();
      },
    },
    ...[2000, 2001, 2002, 2003, 2004, 2005].map(walk),
  ],
};
