// SPDX-License-Identifier: Apache-2.0
/** FTP's control connection and the data connections it announces, with ip_vs_ftp there. */
import { literalVips, type Host } from '../lab.js';
import { serviceLines } from '../conversation.js';
import type { TcpPacket } from '../packet.js';
import type { Play } from '../play.js';
import type { Scenario, Topic } from '../scenario.js';

type Side = 'client' | 'server';

/** What one end knows: what it sends next, and what it has seen of the other. A helper makes the two disagree. */
interface End {
  next: number;
  seen: number;
}

/** A connection whose ends acknowledge what arrived, not what was sent: lines change their length on the way. */
class Session {
  readonly #ends: Record<Side, End> = { client: { next: 1000, seen: 0 }, server: { next: 500_000, seen: 0 } };

  constructor(
    readonly play: Play,
    readonly client: string,
    readonly virtual: string,
    readonly real: string,
    readonly host: Host = 'rs3',
  ) {}

  /** `isLost`: the sender will send it again. */
  async say(
    side: Side,
    flags: string,
    data = '',
    { isLost = false, ...fields }: Partial<TcpPacket> & { readonly isLost?: boolean } = {},
  ): Promise<void> {
    const end = this.#ends[side];
    const other = this.#ends[side === 'client' ? 'server' : 'client'];
    const packet: TcpPacket = {
      kind: 'tcp',
      from: side === 'client' ? this.client : this.real,
      to: side === 'client' ? this.virtual : this.client,
      flags,
      seq: end.next,
      ...(flags.includes('A') && { ack: end.seen }),
      ...(data !== '' && { data }),
      ...fields,
    };
    const syns = /[SF]/.test(flags) ? 1 : 0;
    if (!isLost) end.next += data.length + syns;
    const arrived = await this.play.send(side === 'client' ? 'client' : this.host, packet);
    const [bytes] = arrived.map((capture) => capture.bytes);
    const header = (bytes?.[0] ?? 0) >> 4 === 6 ? 40 : 20;
    if (bytes === undefined || isLost || bytes.length < header + 20) return;
    other.seen = bytes.readUInt32BE(header + 4) + (bytes.length - header - 20) + syns;
  }

  async open(): Promise<void> {
    await this.say('client', 'S');
    await this.say('server', 'SA');
    await this.say('client', 'A');
  }

  async greet(): Promise<void> {
    await this.open();
    await this.say('server', 'AP', '220 ready\r\n');
    await this.say('client', 'AP', 'USER x\r\n');
    await this.say('server', 'AP', '230 welcome\r\n');
  }

  async ask(request: string, answer: string): Promise<void> {
    await this.say('client', 'AP', `${request}\r\n`);
    await this.say('server', 'AP', `${answer}\r\n`);
    await this.say('client', 'A');
  }

  async close(): Promise<void> {
    await this.say('client', 'AF');
    await this.say('server', 'AF');
    await this.say('client', 'A');
  }
}

/** Its own for every session: where the kernel looks for a data connection, it does not ask for which VIP. */
const clientOf = (number: number): string => `198.51.100.${200 + number}`;
const secondClient = '198.51.100.250';
const commas = (address: string, port: number): string =>
  `${address.replaceAll('.', ',')},${port >> 8},${port & 255}`;
const passive = (port: number): string => `227 Entering Passive Mode (${commas('10.2.3.2', port)}).`;

/** A control connection over IPv4, on a VIP of its own: addresses are written in what is said. */
async function session(play: Play, number: number): Promise<Session> {
  const vip = literalVips[20 + number] ?? '';
  await play.ipvsadm(...serviceLines(`-t ${vip}:21`, 'rr', ['rs1:21', 'rs2:21', 'rs3:21']));
  const control = new Session(play, `${clientOf(number)}:44000`, `${vip}:21`, 'rs3:21');
  await control.greet();
  return control;
}

const withoutPort = (endpoint: string): string => endpoint.replace(/:\d+$/, '');
const vipOf = ({ virtual }: Session): string => withoutPort(virtual);
/** The client of a session over IPv4. */
const peerOf = ({ client }: Session): string => withoutPort(client);

async function transfer(data: Session): Promise<void> {
  await data.open();
  await data.say('server', 'AP', 'a line of the file\r\n');
  await data.say('client', 'A');
  await data.close();
}

const scenario = (name: string, play: Scenario['play'], differs?: string): Scenario => ({
  name,
  ...(differs !== undefined && { differs }),
  play,
});

async function sessionOverIpv6(play: Play, number: number): Promise<Session> {
  await play.ipvsadm(...serviceLines('-t vip-v6:21', 'rr', ['rs1-v6:21', 'rs2-v6:21', 'rs3-v6:21']));
  const control = new Session(play, `[fd00:1:ffff::77]:${44_000 + number}`, 'vip-v6:21', 'rs3-v6:21');
  await control.greet();
  return control;
}

export const ftp: Topic = {
  name: 'ftp',
  scenarios: [
    scenario(
      'Passive mode',
      async (play) => {
        const control = await session(play, 0);
        await control.ask('PASV', passive(40_001));
        await play.connections();
        await transfer(new Session(play, `${peerOf(control)}:45001`, `${vipOf(control)}:40001`, 'rs3:40001'));
        await control.ask('QUIT', '221 bye');
        await control.close();
        await play.connections();
      },
      'ftp-announcements',
    ),
    scenario('Two files in passive mode', async (play) => {
      const control = await session(play, 1);
      for (const port of [40_001, 9_999]) {
        await control.ask('PASV', passive(port));
        await transfer(
          new Session(play, `${peerOf(control)}:${port + 1}`, `${vipOf(control)}:${port}`, `rs3:${port}`),
        );
        await control.ask('RETR x', '226 done');
      }
      await play.connections();
    }),
    scenario(
      'Extended passive mode',
      async (play) => {
        const control = await session(play, 2);
        await control.ask('EPSV', '229 Entering Extended Passive Mode (|||40001|)');
        await play.connections();
        await transfer(new Session(play, `${peerOf(control)}:45101`, `${vipOf(control)}:40001`, 'rs3:40001'));
        await control.ask('QUIT', '221 bye');
      },
      'ftp-announcements',
    ),
    scenario(
      'Extended passive mode, over IPv6',
      async (play) => {
        const control = await sessionOverIpv6(play, 0);
        await control.ask('EPSV', '229 Entering Extended Passive Mode (|||40001|)');
        await play.connections();
        await transfer(new Session(play, '[fd00:1:ffff::77]:45001', 'vip-v6:40001', 'rs3-v6:40001'));
      },
      'ftp-announcements',
    ),
    scenario(
      'Active mode',
      async (play) => {
        const control = await session(play, 3);
        await control.ask(`PORT ${commas(peerOf(control), 40_002)}`, '200 ok');
        await play.connections();
        const data = new Session(play, `${peerOf(control)}:40002`, `${vipOf(control)}:20`, 'rs3:20');
        await data.say('server', 'S');
        await data.say('client', 'SA');
        await data.say('server', 'A');
        await data.say('server', 'APF', 'a line of the file\r\n');
        await data.say('client', 'AF');
        await data.say('server', 'A');
        await control.ask('QUIT', '221 bye');
        await play.connections();
      },
      'ftp-announcements',
    ),
    scenario('Extended active mode', async (play) => {
      const control = await session(play, 4);
      await control.ask(`EPRT |1|${peerOf(control)}|40003|`, '200 ok');
      const data = new Session(play, `${peerOf(control)}:40003`, `${vipOf(control)}:20`, 'rs3:20');
      await data.say('server', 'S');
      await data.say('client', 'SA');
      await data.say('server', 'A');
      await play.connections();
    }),
    scenario('Extended active mode, over IPv6', async (play) => {
      const control = await sessionOverIpv6(play, 1);
      await control.ask('EPRT |2|fd00:1:ffff::77|40003|', '200 ok');
      const data = new Session(play, '[fd00:1:ffff::77]:40003', 'vip-v6:20', 'rs3-v6:20');
      await data.say('server', 'S');
      await data.say('client', 'SA');
      await data.say('server', 'A');
      await play.connections();
    }),
    scenario(
      'An announcement that is sent again',
      async (play) => {
        const control = await session(play, 5);
        await control.say('client', 'AP', 'PASV\r\n');
        await control.say('server', 'AP', `${passive(40_001)}\r\n`, { isLost: true });
        await control.say('server', 'AP', `${passive(40_001)}\r\n`);
        await control.say('client', 'A');
        await control.ask('QUIT', '221 bye');
        await play.connections();
      },
      'ftp-retransmissions',
    ),
    scenario('An announcement nobody asked for', async (play) => {
      const control = await session(play, 6);
      await control.ask('NOOP', passive(40_001));
      await play.connections();
    }),
    scenario('An announcement with a wrong checksum', async (play) => {
      const control = await session(play, 7);
      await control.say('client', 'AP', 'PASV\r\n');
      await control.say('server', 'AP', `${passive(40_001)}\r\n`, { checksum: 'bad', isLost: true });
      await play.connections();
    }),
    scenario(
      'An announcement of another host’s address',
      async (play) => {
        const control = await session(play, 8);
        await control.ask('PASV', `227 Entering Passive Mode (${commas('10.2.1.2', 40_001)}).`);
        await play.connections();
      },
      'ftp-third-parties',
    ),
    scenario('A data connection nobody announced', async (play) => {
      const control = await session(play, 9);
      await new Session(play, `${peerOf(control)}:45201`, `${vipOf(control)}:40001`, 'rs3:40001').say(
        'client',
        'S',
      );
      await new Session(play, `${peerOf(control)}:40009`, `${vipOf(control)}:20`, 'rs3:20').say(
        'server',
        'S',
      );
      await play.connections();
    }),
    scenario(
      'Client port 20',
      async (play) => {
        const control = await session(play, 10);
        await new Session(play, `${peerOf(control)}:20`, control.virtual, 'rs3:21').say('client', 'S');
        await play.connections();
      },
      'ftp-data-port',
    ),
    scenario('Two files in active mode', async (play) => {
      const control = await session(play, 11);
      for (const port of [40_002, 40_004]) {
        await control.ask(`PORT ${commas(peerOf(control), port)}`, '200 ok');
        const data = new Session(play, `${peerOf(control)}:${port}`, `${vipOf(control)}:20`, 'rs3:20');
        await data.say('server', 'S');
        await data.say('client', 'SA');
        await data.say('server', 'APF', 'a line of the file\r\n');
        await data.say('client', 'AF');
        await data.say('server', 'A');
        await control.ask('RETR x', '226 done');
      }
      await play.connections();
    }),
    scenario('An active transfer the client refuses', async (play) => {
      const control = await session(play, 12);
      await control.ask(`PORT ${commas(peerOf(control), 40_010)}`, '200 ok');
      const data = new Session(play, `${peerOf(control)}:40010`, `${vipOf(control)}:20`, 'rs3:20');
      await data.say('server', 'S');
      await data.say('client', 'RA');
      await control.ask('QUIT', '221 bye');
      await play.connections();
    }),
    scenario('Segments from before an announcement, sent again after it', async (play) => {
      const control = await session(play, 13);
      await control.ask('PASV', passive(40_001));
      await control.say('server', 'AP', '220 ready\r\n', { seq: 500_001, isLost: true });
      await control.say('client', 'AP', 'USER x\r\n', { seq: 1_001, ack: 500_012, isLost: true });
      await control.ask('NOOP', '200 ok');
    }),
    scenario('A client that acknowledges selectively behind an announcement', async (play) => {
      const control = await session(play, 14);
      await control.ask('PASV', passive(40_001));
      await control.say('server', 'AP', '150 one\r\n', { isLost: true });
      await control.say('client', 'A', '', { options: '0101050a0007a1900007a1a4' });
    }),
    scenario('Commands in small letters', async (play) => {
      const control = await session(play, 15);
      await control.ask(`port ${commas(peerOf(control), 40_005)}`, '200 ok');
      const data = new Session(play, `${peerOf(control)}:40005`, `${vipOf(control)}:20`, 'rs3:20');
      await data.say('server', 'S');
      await play.connections();
    }),
    scenario(
      'PORT with another host’s address',
      async (play) => {
        const control = await session(play, 16);
        await control.ask(`PORT ${commas(secondClient, 40_006)}`, '200 ok');
        const data = new Session(play, `${secondClient}:40006`, `${vipOf(control)}:20`, 'rs3:20');
        await data.say('server', 'S');
        await play.connections();
      },
      'ftp-third-parties',
    ),
    scenario(
      'PORT behind another command',
      async (play) => {
        const control = await session(play, 17);
        await control.say('client', 'AP', `NOOP\r\nPORT ${commas(peerOf(control), 40_007)}\r\n`);
        const data = new Session(play, `${peerOf(control)}:40007`, `${vipOf(control)}:20`, 'rs3:20');
        await data.say('server', 'S');
        await play.connections();
      },
      'ftp-lines',
    ),
    scenario('A SYN to a high port of an FTP service’s VIP', async (play) => {
      const control = await session(play, 18);
      await new Session(play, `${peerOf(control)}:45301`, `${vipOf(control)}:5000`, 'rs3:5000').say(
        'client',
        'S',
      );
      await new Session(play, `${peerOf(control)}:45302`, `${vipOf(control)}:80`, 'rs3:80').say(
        'client',
        'S',
      );
    }),
    scenario('Passive mode after the server was drained', async (play) => {
      const control = await session(play, 19);
      await play.ipvsadm(`-e -t ${control.virtual} -r rs3:21 -m -w 0`);
      await control.ask('PASV', passive(40_001));
      await transfer(new Session(play, `${peerOf(control)}:45401`, `${vipOf(control)}:40001`, 'rs3:40001'));
      await play.connections();
      await play.servers(`-t ${control.virtual}`);
    }),
  ],
};
