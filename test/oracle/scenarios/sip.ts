// SPDX-License-Identifier: Apache-2.0
/** Persistence by SIP call: what the engine takes for a Call-ID, whom it leads where, and servers that call. */
import { serviceLines } from '../conversation.js';
import type { Host } from '../lab.js';
import { compose } from '../packet.js';
import { pieces } from '../pieces.js';
import type { Play } from '../play.js';
import type { Scenario, Topic } from '../scenario.js';

type Mark = '' | '-v6';

const phone = (mark: Mark, options = '-o', servers?: readonly string[]): readonly string[] =>
  serviceLines(`-u vip${mark}:5060`, `rr -p 100 --pe sip ${options}`.trim(), servers);

const message = (callId: string, name = 'Call-ID'): string =>
  `INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n${name}: ${callId}\r\nCSeq: 1 INVITE\r\n\r\n`;

const call = (play: Play, client: string, data: string | Buffer, to = 'vip:5060'): Promise<unknown> =>
  play.send('client', { kind: 'udp', from: client, to, data });

const callOut = (play: Play, server: Host, to: string, data: string, port = 8080): Promise<unknown> =>
  play.send(server, {
    kind: 'udp',
    from: `${server}${to.includes('-v6') ? '-v6' : ''}:${port}`,
    to,
    data,
  });

const scenario = (name: string, play: Scenario['play'], more: Partial<Scenario> = {}): Scenario => ({
  name,
  ...more,
  play,
});

/** Whose packets nobody else’s services may explain. */
const alone = { alone: true } as const;
const asTheKernel = { vsnat: { ipvs: { one_packet_replies: 'pass' } } };

const longest = 'x'.repeat(255);
const head = 'OPTIONS sip:a SIP/2.0\r\n';

/** Messages and what is odd about them. Sent by one client each, and after that the list of calls tells. */
const odd: Readonly<Record<string, string>> = {
  'the name in other letters': message('odd-1', 'cAlL-iD'),
  'the short name': message('odd-2', 'i'),
  'the short name in a capital letter': message('odd-3', 'I'),
  'a blank before the colon': message('odd-4', 'Call-ID '),
  'a continued line': message('\r\n odd-5'),
  'a continued line before the colon': message('odd-6', 'Call-ID\r\n\t'),
  'no blank behind the colon': `${head}Call-ID:odd-7\r\n\r\n`,
  'lines that end in LF': `${head}Call-ID: odd-8\n\n`,
  'lines that end in CR': 'OPTIONS sip:a SIP/2.0\rCall-ID: odd-9\r\r',
  'a host behind it': message('odd-10@phone.example.com:5060'),
  'a second @': message('odd@11@phone'),
  'nothing behind the @': message('odd-12@'),
  'nothing before the @': message('@phone'),
  'every sign there may be': message('-.!%*_+`\'~()<>:\\"/[]?{}'),
  'a sign that may not be': message('odd$15'),
  'a blank inside': message('odd 16'),
  'words behind a semicolon': message('odd-17;x=y'),
  '255 bytes': message(longest),
  '256 bytes': message(`${longest}x`),
  'no bytes': message(''),
  'the end right behind it': `${head}Call-ID: odd-21`,
  'the end behind the name': `${head}Call-ID`,
  'the end behind the colon': `${head}Call-ID:`,
  'no header in front of it': 'Call-ID: odd-24\r\n\r\n',
  'only an end of line in front of it': '\r\nCall-ID: odd-25\r\n\r\n',
  'a header that begins alike': `${head}Call-Identity: odd-26\r\nCall-ID: odd-26b\r\n\r\n`,
  'a header that begins like the short name': `${head}i-am: odd-27\r\nCall-ID: odd-27b\r\n\r\n`,
  'a header that begins with the letter of the short name': `${head}In-Reply-To: odd-28\r\nCall-ID: odd-28b\r\n\r\n`,
  'a bad one and then a good one': `${head}Call-ID: \u0001\r\nCall-ID: odd-29\r\n\r\n`,
  'a bad one and much later a good one': `${head}i: \u0001\r\n${'A: b\r\n'.repeat(20)}Call-ID: odd-30\r\n\r\n`,
  'two bad ones and then a good one, too near': `${head}i: \u0001\r\ni: \u0001\r\nCall-ID: odd-30b\r\n\r\n`,
  'two good ones': `${head}Call-ID: odd-31\r\nCall-ID: odd-31b\r\n\r\n`,
  'one in the body': `${head}A: b\r\n\r\nCall-ID: odd-32\r\n\r\n`,
  'one in the body, behind a bare LF': `${head}A: b\n\nCall-ID: odd-33\n\n`,
  'one in a continued line': `${head}A: b\r\n Call-ID: odd-34\r\n\r\n`,
  'no message at all': 'hello',
  'a keepalive': '\r\n\r\n',
  nothing: '',
};

const latin1: Readonly<Record<string, string>> = {
  'letters of Latin-1': 'gr\u00fc\u00dfe',
  'a sign of Latin-1': '2\u00d72',
};

const bothFamilies = (['', '-v6'] as const).flatMap((mark): Scenario[] => [
  scenario(
    `A call stays where it began, the next one of the same client goes on, over IPv${mark === '' ? 4 : 6}`,
    async (play) => {
      await play.ipvsadm(...phone(mark));
      const vip = `vip${mark}:5060`;
      for (const id of ['one', 'two', 'one', 'three', 'two', 'one'])
        await call(play, `client${mark}:5060`, message(`${id}@phone`), vip);
      await call(play, `client${mark}:5062`, message('two@phone'), vip);
      await play.connections();
      await play.servers(`-u ${vip}`);
    },
  ),
  scenario(
    `What a server says in a call, over IPv${mark === '' ? 4 : 6}`,
    async (play) => {
      await play.ipvsadm(...phone(mark));
      await call(play, `client${mark}:5060`, message('one'), `vip${mark}:5060`);
      await callOut(play, 'rs3', `client${mark}:5060`, message('one'));
      await play.connections();
      await callOut(play, 'rs3', `client${mark}:5070`, message('one'));
      await callOut(play, 'rs3', `client${mark}:5060`, 'no call');
      await callOut(play, 'rs3', `client${mark}:5060`, message('one'), 8081);
      await play.connections();
      await play.servers(`-u vip${mark}:5060`);
    },
    { ...alone, ...asTheKernel },
  ),
  scenario(
    `A server begins a call, over IPv${mark === '' ? 4 : 6}`,
    async (play) => {
      await play.ipvsadm(...phone(mark, ''));
      await callOut(play, 'rs1', `client${mark}:5060`, message('one'));
      await play.connections();
      await call(play, `client${mark}:5060`, message('one'), `vip${mark}:5060`);
      await call(play, `client${mark}:5061`, message('one'), `vip${mark}:5060`);
      await play.connections();
      await play.servers(`-u vip${mark}:5060`);
    },
    alone,
  ),
]);

export const sip: Topic = {
  name: 'sip',
  scenarios: [
    ...bothFamilies,
    scenario('A client port that has a connection keeps its server, whatever the call', async (play) => {
      await play.ipvsadm(...phone('', ''));
      for (const id of ['one', 'two', 'one']) await call(play, 'client:5060', message(id));
      for (const id of ['two', 'one']) await call(play, 'client:5061', message(id));
      await call(play, 'client:5060', 'no call');
      await play.connections();
      await play.servers('-u vip:5060');
    }),
    scenario('Two clients with one Call-ID', async (play) => {
      await play.ipvsadm(...phone(''));
      for (const client of ['client', 'client2', 'client', 'client2'])
        await call(play, `${client}:5060`, message('one'));
      await play.connections();
    }),
    scenario('Two clients of one network with one Call-ID', async (play) => {
      await play.ipvsadm(...phone('', '-M 255.255.255.0 -o'));
      for (const client of ['198.51.100.9', '198.51.100.10'])
        for (const id of ['one', 'two']) await call(play, `${client}:5060`, message(id));
      await play.connections();
    }),
    scenario('Two clients of one network with one Call-ID, over IPv6', async (play) => {
      await play.ipvsadm(...phone('-v6', '-M 64 -o'));
      for (const client of ['2001:db8:77::9', '2001:db8:77::10'])
        for (const id of ['one', 'two']) await call(play, `[${client}]:5060`, message(id), 'vip-v6:5060');
      await play.connections();
    }),
    scenario('Messages that are odd', async (play) => {
      await play.ipvsadm(...phone(''));
      for (const [i, [what, data]] of Object.entries(odd).entries()) {
        play.note(what);
        await call(play, `client:${5100 + i}`, data);
      }
      for (const [i, [what, word]] of Object.entries(latin1).entries()) {
        play.note(what);
        await call(play, `client:${5200 + i}`, Buffer.from(`${head}Call-ID: ${word}\r\n\r\n`, 'latin1'));
      }
      await play.connections();
    }),
    scenario('A message without a Call-ID where no server is', async (play) => {
      await play.ipvsadm('-A -u vip:5060 -s rr -p 100 --pe sip');
      await call(play, 'client:5060', 'no call');
      await call(play, 'client:5060', message('one'));
    }),
    scenario('A call outlives what its service is now', async (play) => {
      await play.ipvsadm(...phone(''));
      await call(play, 'client:5060', message('one'));
      await play.ipvsadm('-E -u vip:5060 -s rr -p 50 -o');
      await call(play, 'client:5060', message('one'));
      await call(play, 'client:5061', 'no call');
      await play.connections();
      await play.ipvsadm('-E -u vip:5060 -s rr -p 50 --pe sip -o');
      await call(play, 'client:5062', message('one'));
      await call(play, 'client:5063', message('two'));
      await play.connections();
    }),
    scenario('A call whose server is drained, removed and there again', async (play) => {
      await play.ipvsadm(...phone(''));
      await call(play, 'client:5060', message('one'));
      await play.ipvsadm('-e -u vip:5060 -r rs3:8080 -m -w 0');
      await call(play, 'client:5060', message('one'));
      await play.ipvsadm('-d -u vip:5060 -r rs3:8080');
      await call(play, 'client:5060', message('one'));
      await play.ipvsadm('-a -u vip:5060 -r rs3:8080 -m');
      await call(play, 'client:5060', message('one'));
      await play.connections();
    }),
    scenario(
      'expire_quiescent_template: a call whose server is drained',
      async (play) => {
        await play.ipvsadm(...phone(''));
        await call(play, 'client:5060', message('one'));
        await play.ipvsadm('-e -u vip:5060 -r rs3:8080 -m -w 0');
        await call(play, 'client:5060', message('one'));
        await callOut(play, 'rs3', 'client:5060', message('one'));
        await play.connections();
      },
      { ...alone, sysctls: { expire_quiescent_template: 1 } },
    ),
    scenario(
      'A server takes over a call of another',
      async (play) => {
        await play.ipvsadm(...phone(''));
        await call(play, 'client:5060', message('one'));
        await callOut(play, 'rs1', 'client:5060', message('one'));
        await play.connections();
        await call(play, 'client:5060', message('one'));
      },
      alone,
    ),
    scenario(
      'Two servers call one client port',
      async (play) => {
        await play.ipvsadm(...phone('', ''));
        await callOut(play, 'rs1', 'client:5060', message('one'));
        await call(play, 'client:5060', message('one'));
        await callOut(play, 'rs2', 'client:5060', message('two'));
        await call(play, 'client:5060', message('two'));
        await callOut(play, 'rs1', 'client:5060', message('one'));
        await call(play, 'client:5060', message('one'));
      },
      { ...alone, differs: 'sip-last-caller' },
    ),
    scenario(
      'Two VIPs that share their servers',
      async (play) => {
        await play.ipvsadm(...phone(''));
        await play.ipvsadm(...serviceLines('-u vip2:5060', 'rr -p 100 --pe sip -o'));
        await call(play, 'client:5060', message('one'));
        await callOut(play, 'rs3', 'client:5060', message('one'));
      },
      { ...alone, differs: 'sip-shared-servers' },
    ),
    scenario(
      'Two VIPs that share their servers, and a call that is new',
      async (play) => {
        await play.ipvsadm(...phone(''));
        await play.ipvsadm(...serviceLines('-u vip2:5060', 'rr -p 100 --pe sip -o'));
        await callOut(play, 'rs3', 'client:5060', message('one'));
        await call(play, 'client:5060', message('one'), 'vip2:5060');
      },
      alone,
    ),
    scenario(
      'A drained server begins a call',
      async (play) => {
        await play.ipvsadm(...phone('', '', ['rs1:8080 -w 0', 'rs2:8080 -x 1']));
        await callOut(play, 'rs1', 'client:5060', message('one'));
        await call(play, 'client:5060', message('one'));
        await call(play, 'client:5061', message('two'));
        await callOut(play, 'rs2', 'client:5062', message('three'));
        await call(play, 'client:5063', message('four'));
        await play.connections();
        await play.servers('-u vip:5060');
      },
      alone,
    ),
    scenario(
      'A service on every port',
      async (play) => {
        await play.ipvsadm(
          ...serviceLines('-u vip:0', 'rr -p 100 --pe sip -o').map((line) =>
            line.replace(/:8080 -m$/, ':0 -m'),
          ),
        );
        for (const port of [5060, 5070])
          for (const id of ['one', 'two']) await call(play, 'client:5060', message(id), `vip:${port}`);
        await callOut(play, 'rs3', 'client:5060', message('one'), 5060);
        await play.connections();
      },
      { ...alone, ...asTheKernel },
    ),
    ...(['', '-v6'] as const).flatMap((mark) =>
      (['first', 'second'] as const).map((which) =>
        scenario(
          `A message in two pieces, the Call-ID in the ${which}, over IPv${mark === '' ? 4 : 6}`,
          async (play) => {
            await play.ipvsadm(...phone(mark));
            await call(play, `client${mark}:5060`, message('other'), `vip${mark}:5060`);
            const header = 'Record-Route: <sip:proxy.example.com;lr>\r\n'.repeat(6);
            const [before, behind] = which === 'first' ? ['', header] : [header, ''];
            const data = `INVITE sip:b SIP/2.0\r\n${before}Call-ID: one\r\n${behind}CSeq: 1 INVITE\r\n\r\n`;
            const packet = {
              kind: 'udp',
              from: `client${mark}:5060`,
              to: `vip${mark}:5060`,
              data,
            } as const;
            for (const piece of pieces(play, packet, [160])) await play.send('client', piece);
            await play.connections();
          },
          { differs: 'fragments-not-reassembled' },
        ),
      ),
    ),
    scenario('A mark for UDP and TCP', async (play) => {
      await play.mark(31, 'udp vip:5060', 'udp vip2:5060', 'tcp vip:5060');
      await play.ipvsadm(
        ...serviceLines('-f 31', 'rr -p 100 --pe sip').map((line) => line.replace(/:8080 -m$/, ':0 -m')),
      );
      await call(play, 'client:5060', message('one'));
      await call(play, 'client:5062', message('one'), 'vip2:5060');
      await call(play, 'client:5061', message('two'));
      await play.send('client', { kind: 'tcp', from: 'client:5060', to: 'vip:5060', flags: 'S' });
      await play.connections();
    }),
    scenario(
      'nat_icmp_send: what a server says outside of calls',
      async (play) => {
        // The fence is a reply of nobody's connection (world.ts); here it needs one, or it would be answered.
        await play.send('client', { kind: 'udp', from: '10.1.0.2:9', to: '10.9.0.1:9', data: 'open' });
        await play.ipvsadm(...phone(''));
        await callOut(play, 'rs1', 'client:5060', 'no call');
        await callOut(play, 'rs1', 'client:5060', message('one'));
      },
      { ...alone, ...asTheKernel, sysctls: { nat_icmp_send: 1 }, differs: 'nat-icmp-source' },
    ),
    scenario(
      'schedule_icmp: an error about a call of nobody',
      async (play) => {
        await play.ipvsadm(...phone('', ''));
        const about = { kind: 'udp', from: 'vip:5060', to: 'client:5060', data: message('one') } as const;
        await play.send('client', {
          kind: 'icmp',
          from: 'client',
          to: 'vip',
          type: 3,
          code: 3,
          data: compose(about, play.names),
        });
        await play.connections();
      },
      { sysctls: { schedule_icmp: 1 } },
    ),
  ],
};
