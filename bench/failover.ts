// SPDX-License-Identifier: Apache-2.0
/**
 * How long a dead server still gets new connections, by how it dies and how it is checked: a real daemon over three servers in
 * network namespaces, and clients that come whether or not the last one was served.
 *
 *   npm run bench -- failover [--rounds 3] [--rate 100] [--settings default,brisk,quick,rare]
 *
 * killed: `kill -9` of the server's process, so that its kernel refuses; silent: its host drops every packet. It dies at a
 * random moment between two checks. Measured is the time to the last SYN of a new client port that reaches the dead server.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { Daemon } from '../test/netns/support/daemon.js';
import { at, vip } from '../test/netns/support/lab.js';
import { ports, serve } from '../test/netns/support/load.js';
import { sweepLeftovers } from '../test/netns/support/namespace.js';
import { Topology, type RealServer } from '../test/netns/support/topology.js';
import { until } from '../test/netns/support/until.js';

interface Timing {
  readonly interval: string;
  readonly fast_interval: string;
  readonly timeout: string;
  readonly fall: number;
}

const settings: Readonly<Record<string, Timing>> = {
  default: { interval: '2s', fast_interval: '500ms', timeout: '1s', fall: 3 },
  brisk: { interval: '1s', fast_interval: '250ms', timeout: '500ms', fall: 2 },
  quick: { interval: '200ms', fast_interval: '100ms', timeout: '200ms', fall: 2 },
  rare: { interval: '10s', fast_interval: '500ms', timeout: '1s', fall: 3 },
};

const deaths = ['killed', 'silent'] as const;
type Death = (typeof deaths)[number];

interface Trial {
  readonly timing: Timing;
  readonly passive: boolean;
  readonly death: Death;
  readonly rate: number;
}

const ms = (text: string): number => parseFloat(text) * (text.endsWith('ms') ? 1 : 1000);

/** New connections at a steady rate; each is given up after a second. */
const clients = (rate: number): string => `
  const { connect } = require('node:net');
  setInterval(() => {
    const socket = connect(${vip.http}, '${vip.v4}');
    const end = () => socket.destroy();
    socket.on('error', end).on('connect', end);
    setTimeout(end, 1000);
  }, ${1000 / rate});
`;

const dropAll =
  'add table inet dead; add chain inet dead in { type filter hook input priority 0; policy drop; }';

/** Milliseconds from `diedAt` (Unix) to the last first SYN of a client port in what tcpdump wrote. */
function lastNewFlow(dump: string, client: string, diedAt: number): number {
  const known = new Set<string>();
  let last = diedAt;
  for (const [, seconds = '', from = ''] of dump.matchAll(/^(\d+\.\d+) IP (\S+) >/gm)) {
    if (!from.startsWith(client) || known.has(from)) continue;
    known.add(from);
    last = Math.max(last, Number(seconds) * 1000);
  }
  return last - diedAt;
}

async function measure(topology: Topology, { timing, passive, death, rate }: Trial): Promise<number> {
  const victim = topology.servers[1] as RealServer;
  const serving = await Promise.all(topology.servers.map((server) => serve(server)));
  const health = { type: 'tcp', ...timing, passive };
  const servers = topology.servers.map(({ ipv4 }) => at(ipv4, ports.http));
  const services = [
    { name: 'web', listen: `tcp://${at(vip.v4, vip.http)}`, scheduler: 'rr', servers, health },
  ];
  const daemon = await Daemon.start(topology.director.namespace, { services });
  const server = at(victim.ipv4, ports.http);
  const sum = async (name: string): Promise<number> => (await daemon.metrics()).sum(name, { server });
  const load = topology.client.namespace.spawn([process.execPath, '-e', clients(rate)]);
  const filter = `tcp dst port ${ports.http} and tcp[tcpflags] & (tcp-syn|tcp-ack) == tcp-syn`;
  const dump = victim.namespace.spawn([
    'tcpdump',
    '-i',
    'up0',
    '-n',
    '-tt',
    '-l',
    '--immediate-mode',
    filter,
  ]);
  try {
    await dump.waitForOutput(/listening on/);
    const isWell = async (): Promise<boolean> =>
      (await sum('vsnat_health_checks_total')) >= 2 && (await sum('vsnat_server_connections_total')) > rate;
    await until('two checks and some clients', isWell, { timeoutMs: 60_000, everyMs: 100 });
    await pause(Math.random() * ms(timing.interval));
    const diedAt = Date.now();
    if (death === 'killed') await serving[1]?.stop('SIGKILL');
    else await victim.namespace.must(['nft', dropAll]);
    const isDown = async (): Promise<boolean> => (await sum('vsnat_server_up')) === 0;
    await until('the server to be down', isDown, { timeoutMs: 60_000, everyMs: 100 });
    await pause(500);
    return lastNewFlow(dump.output, topology.client.ipv4, diedAt);
  } finally {
    await load.stop('SIGKILL');
    await dump.stop('SIGKILL');
    await daemon.discard();
    if (death === 'silent') await victim.namespace.run(['nft', 'delete table inet dead']);
    for (const one of serving) await one.stop('SIGKILL');
  }
}

const median = (sorted: readonly number[]): number => sorted[Math.floor(sorted.length / 2)] ?? NaN;
const seconds = (value: number | undefined): string => ((value ?? NaN) / 1000).toFixed(1);

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      rate: { type: 'string', default: '100' },
      settings: { type: 'string', default: Object.keys(settings).join(',') },
    },
  });
  await sweepLeftovers();
  const topology = await Topology.create({ servers: 3 });
  try {
    console.log('| checks | dies | passive | last new connection after |\n| --- | --- | --- | --- |');
    for (const name of values.settings.split(',')) {
      const timing = settings[name];
      if (timing === undefined) throw new Error(`--settings: must be of ${Object.keys(settings).join(', ')}`);
      for (const death of deaths) {
        for (const passive of [true, false]) {
          const found: number[] = [];
          for (let round = 0; round < Number(values.rounds); round += 1)
            found.push(await measure(topology, { timing, passive, death, rate: Number(values.rate) }));
          found.sort((a, b) => a - b);
          const how = `${timing.interval}, ${timing.fast_interval}, ${timing.timeout}, fall ${timing.fall}`;
          const range = `${seconds(found[0])}–${seconds(found.at(-1))}`;
          console.log(
            `| ${how} | ${death} | ${passive ? 'on' : 'off'} | ${seconds(median(found))} s (${range}) |`,
          );
        }
      }
    }
  } finally {
    await topology.remove();
  }
}

await main();
