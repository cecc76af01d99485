// SPDX-License-Identifier: Apache-2.0
/** ICMP: errors about connections in both directions, errors about nothing, and pings. */
import { Conversation, pattern, serviceLines } from '../conversation.js';
import type { Host } from '../lab.js';
import { compose, type IcmpPacket, type Packet } from '../packet.js';
import type { Play } from '../play.js';
import type { Scenario, Topic } from '../scenario.js';

type Mark = '' | '-v6';
const over = (mark: Mark): string => `over IPv${mark === '' ? 4 : 6}`;

interface ErrorKind {
  readonly what: string;
  readonly type: number;
  readonly code: number;
  readonly rest?: number;
  readonly differs?: string;
}

const kinds: Readonly<Record<Mark, readonly ErrorKind[]>> = {
  '': [
    { what: 'network unreachable', type: 3, code: 0 },
    { what: 'host unreachable', type: 3, code: 1 },
    { what: 'port unreachable', type: 3, code: 3 },
    { what: 'fragmentation needed', type: 3, code: 4, rest: 1300 },
    { what: 'administratively prohibited', type: 3, code: 13 },
    { what: 'source quench', type: 4, code: 0, differs: 'source-quench' },
    { what: 'redirect', type: 5, code: 1, rest: 0x0a020302 },
    { what: 'time exceeded', type: 11, code: 0 },
    { what: 'parameter problem', type: 12, code: 0, rest: 0x14000000, differs: 'parameter-problem' },
  ],
  '-v6': [
    { what: 'address unreachable', type: 1, code: 3 },
    { what: 'port unreachable', type: 1, code: 4 },
    { what: 'packet too big', type: 2, code: 0, rest: 1300 },
    { what: 'time exceeded', type: 3, code: 0 },
    { what: 'parameter problem', type: 4, code: 0, rest: 40 },
  ],
};

/**
 * A UDP connection of one request and one reply, both as they were on the wire beyond the director, and as an error
 * quotes them: with eight bytes of transport (RFC 792), or whole.
 */
async function exchange(
  play: Play,
  mark: Mark,
  bytes = 8,
  isWhole = false,
): Promise<{ request: Buffer; reply: Buffer }> {
  await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));
  const data = pattern(bytes);
  const request: Packet = { kind: 'udp', from: `client${mark}:40000`, to: `vip${mark}:53`, data };
  const reply: Packet = { kind: 'udp', from: `rs3${mark}:8080`, to: `client${mark}:40000`, data };
  await play.send('client', request);
  await play.send('rs3', reply);
  const quote = (packet: Packet): Buffer =>
    compose({ ...packet, ip: { ttl: 63 } }, play.names).subarray(0, isWhole ? undefined : ipHeader(mark) + 8);
  return {
    request: quote({ ...request, to: `rs3${mark}:8080` }),
    reply: quote({ ...reply, from: `vip${mark}:53` }),
  };
}

const error = (
  kind: ErrorKind,
  from: string,
  to: string,
  quote: Buffer,
  fields: Partial<IcmpPacket> = {},
): IcmpPacket => ({
  kind: 'icmp',
  from,
  to,
  type: kind.type,
  code: kind.code,
  rest: kind.rest ?? 0,
  data: quote,
  ...fields,
});

const firstKind = (mark: Mark, what: string): ErrorKind => {
  const kind = kinds[mark].find((one) => one.what === what);
  if (kind === undefined) throw new Error(what);
  return kind;
};

const about = (mark: Mark, kind: ErrorKind): readonly Scenario[] => [
  {
    name: `${kind.what} about a request, from the server, ${over(mark)}`,
    ...(kind.differs !== undefined && { differs: kind.differs }),
    play: async (play) => {
      const { request } = await exchange(play, mark);
      await play.send('rs3', error(kind, `rs3${mark}`, `client${mark}`, request));
    },
  },
  {
    name: `${kind.what} about a reply, from the client, ${over(mark)}`,
    ...(kind.differs !== undefined && { differs: kind.differs }),
    play: async (play) => {
      const { reply } = await exchange(play, mark);
      await play.send('client', error(kind, `client${mark}`, `vip${mark}`, reply));
    },
  },
];

/** One error with something odd about it, in both directions. */
const odd = (
  name: string,
  mark: Mark,
  change: (quote: Buffer, play: Play) => { quote: Buffer; fields?: Partial<IcmpPacket> },
  options: { bytes?: number; isWhole?: boolean; differs?: string } = {},
): readonly Scenario[] =>
  (['request', 'reply'] as const).map((direction) => ({
    name: `${name}, about a ${direction}, ${over(mark)}`,
    ...(options.differs !== undefined && { differs: options.differs }),
    play: async (play: Play) => {
      const quotes = await exchange(play, mark, options.bytes, options.isWhole);
      const { quote, fields } = change(quotes[direction], play);
      const kind = firstKind(mark, 'port unreachable');
      const [host, from, to]: readonly [Host, string, string] =
        direction === 'request'
          ? ['rs3', `rs3${mark}`, `client${mark}`]
          : ['client', `client${mark}`, `vip${mark}`];
      await play.send(host, error(kind, from, to, quote, fields));
    },
  }));

const echo = (name: string, fields: Partial<IcmpPacket>, mark: Mark, differs?: string): Scenario => ({
  name: `${name}, ${over(mark)}`,
  ...(differs !== undefined && { differs }),
  play: async (play) => {
    await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));
    await play.send('client', {
      kind: 'icmp',
      from: `client${mark}`,
      to: `vip${mark}`,
      type: mark === '' ? 8 : 128,
      rest: 0x12340001,
      data: pattern(56),
      ...fields,
    });
  },
});

const ipHeader = (mark: Mark): number => (mark === '' ? 20 : 40);

export const icmp: Topic = {
  name: 'icmp',
  scenarios: [
    ...(['', '-v6'] as const).flatMap((mark): Scenario[] => [
      ...kinds[mark].flatMap((kind) => about(mark, kind)),
      ...odd(
        'An error that quotes eight bytes of transport',
        mark,
        (quote) => ({ quote: quote.subarray(0, ipHeader(mark) + 8) }),
        { bytes: 100 },
      ),
      ...odd('An error that quotes a long packet', mark, (quote) => ({ quote }), {
        bytes: 800,
        isWhole: true,
        differs: 'quoted-checksum',
      }),
      ...odd('An error of odd length', mark, (quote) => ({ quote }), {
        bytes: 33,
        isWhole: true,
        differs: 'quoted-checksum',
      }),
      ...odd('An error with a wrong checksum', mark, (quote) => ({ quote, fields: { checksum: 'bad' } })),
      ...odd(
        'An error that quotes four bytes of transport',
        mark,
        (quote) => ({ quote: quote.subarray(0, ipHeader(mark) + 4) }),
        { differs: 'short-quote' },
      ),
      ...odd('An error that quotes half an IP header', mark, (quote) => ({ quote: quote.subarray(0, 12) })),
      ...odd('An error that quotes nothing', mark, () => ({ quote: Buffer.alloc(0) })),
      ...odd('An error about a connection nobody knows', mark, (quote) => {
        const other = Buffer.from(quote);
        other.writeUInt16BE(41_234, ipHeader(mark) + (other.readUInt16BE(ipHeader(mark)) === 40_000 ? 0 : 2));
        return { quote: other };
      }),
      {
        name: `An error from a router behind the director, ${over(mark)}`,
        play: async (play) => {
          const { request } = await exchange(play, mark);
          const router = mark === '' ? '10.2.3.77' : 'fd00:2:3::77';
          await play.send('rs3', error(firstKind(mark, 'time exceeded'), router, `client${mark}`, request));
        },
      },
      {
        name: `An error from a router before the director, ${over(mark)}`,
        play: async (play) => {
          const { reply } = await exchange(play, mark);
          await play.send(
            'client',
            error(firstKind(mark, 'time exceeded'), `client77${mark}`, `vip${mark}`, reply),
          );
        },
      },
      {
        name: `Errors about a TCP connection change neither its state nor its time, ${over(mark)}`,
        play: async (play) => {
          await play.ipvsadm(...serviceLines(`-t vip${mark}:80`, 'rr'));
          const one = new Conversation(play, { client: `client${mark}` });
          await one.say('>S <SA >A');
          await play.wait(6_000);
          const ip = { ttl: 63 };
          const length = ipHeader(mark) + 8;
          const request = compose(
            {
              kind: 'tcp',
              from: one.client,
              to: one.serverEndpoint(),
              flags: 'A',
              seq: 1001,
              ack: 500_001,
              ip,
            },
            play.names,
          ).subarray(0, length);
          const reply = compose(
            { kind: 'tcp', from: one.to, to: one.client, flags: 'A', seq: 500_001, ack: 1001, ip },
            play.names,
          ).subarray(0, length);
          const kind = firstKind(mark, 'port unreachable');
          await play.send('rs3', error(kind, `rs3${mark}`, `client${mark}`, request));
          await play.send('client', error(kind, `client${mark}`, `vip${mark}`, reply));
          await play.connections(5);
        },
      },
      {
        name: `An error with hop limit 1, ${over(mark)}`,
        play: async (play) => {
          const { request, reply } = await exchange(play, mark);
          const kind = firstKind(mark, 'port unreachable');
          await play.send('rs3', error(kind, `rs3${mark}`, `client${mark}`, request, { ip: { ttl: 1 } }));
          await play.send('client', error(kind, `client${mark}`, `vip${mark}`, reply, { ip: { ttl: 1 } }));
        },
      },
      echo('A ping', {}, mark),
      echo('A ping without data', { data: '' }, mark),
      echo('A ping of odd length', { data: pattern(33) }, mark),
      echo('A big ping', { data: pattern(1400) }, mark),
      echo('A ping with a wrong checksum', { checksum: 'bad' }, mark),
      echo('A ping with hop limit 1', { ip: { ttl: 1 } }, mark, 'answered-by-the-host'),
      echo('A ping with a traffic class', { ip: { tos: 0xb8 } }, mark),
      echo('A ping that may be fragmented', { ip: { df: false } }, mark),
      echo('A ping answer nobody waits for', { type: mark === '' ? 0 : 129 }, mark),
      {
        name: `A server's own ping passes untouched, ${over(mark)}`,
        play: async (play) => {
          await play.ipvsadm(...serviceLines(`-u vip${mark}:53`, 'rr'));
          await play.send('rs1', {
            kind: 'icmp',
            from: `rs1${mark}`,
            to: `client${mark}`,
            type: mark === '' ? 8 : 128,
            rest: 77,
            data: pattern(20),
          });
        },
      },
    ]),
    echo('A timestamp request', { type: 13, data: pattern(12) }, '', 'icmp-queries'),
    echo('An ICMP type nobody knows', { type: 200 }, ''),
  ],
};
