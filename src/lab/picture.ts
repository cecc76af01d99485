// SPDX-License-Identifier: Apache-2.0
/** What the demo draws. Pure text, 80 columns at most, so that it can be tested and pasted. */
import { answersOf, shareOf, type Finding, type Measured } from './findings.js';
import {
  clientAddress,
  clientGateway,
  clientNamespace,
  demoServers,
  directorNamespace,
  metricsUrl,
  rport,
  vip,
  vport,
} from './topology.js';

const column = 18;
const indent = 12;

/** One cell per real server, centred over each other. */
const cells = (texts: readonly string[]): string => texts.map((text) => centred(text, column)).join('');

function centred(text: string, width: number): string {
  const left = Math.floor((width - text.length) / 2);
  return `${' '.repeat(Math.max(0, left))}${text}`.padEnd(width);
}

export function drawTopology(): readonly string[] {
  const width = column * demoServers.length;
  const open = (text: string): string => `${' '.repeat(indent + 1)}${text}`.trimEnd();
  const boxed = (text: string): string => `${' '.repeat(indent)}|${text}|`;
  const edge = `${' '.repeat(indent)}+${'-'.repeat(width)}+`;
  return [
    open(centred(`client ${clientAddress}`, width)),
    open(centred('|', width)),
    edge,
    boxed(centred(clientGateway, width)),
    boxed(centred(`director: vsnat, VIP ${vip}:${vport}`, width)),
    boxed(cells(demoServers.map((server) => server.gateway))),
    edge,
    open(cells(demoServers.map(() => '|'))),
    open(cells(demoServers.map((server) => server.name))),
    open(cells(demoServers.map((server) => `${server.address}:${rport}`))),
    open(cells(demoServers.map((server) => `weight ${server.weight}`))),
  ];
}

export function drawShares(measured: Measured): readonly string[] {
  const longest = Math.max(...demoServers.map((server) => answersOf(server.name, measured)), 1);
  const bar = (count: number): string => '#'.repeat(Math.round((count / longest) * 36));
  return demoServers.map((server) => {
    const count = answersOf(server.name, measured);
    const wanted = shareOf(server.weight, measured.requests);
    return `  ${server.name}  weight ${server.weight}  ${String(count).padStart(4)} of ${wanted} expected  ${bar(count)}`;
  });
}

export const drawFindings = (list: readonly Finding[]): readonly string[] =>
  list.map((finding) => `  ${finding.holds ? 'yes' : 'NO '}  ${finding.sentence}`);

const shown = ['vsnat_server_connections_total', 'vsnat_queue_forwarded_total', 'vsnat_flows'];

/** A few lines of the metrics, those that the picture explains. */
export function pickMetrics(metrics: string): readonly string[] {
  return metrics
    .split('\n')
    .filter((line) => shown.some((name) => line.startsWith(`${name} `) || line.startsWith(`${name}{`)))
    .map((line) => `  ${line}`);
}

export interface Handles {
  readonly vsnat: string;
  readonly socket: string;
  readonly configFile: string;
}

export function drawCommands({ vsnat, socket, configFile }: Handles): readonly string[] {
  return [
    '  # a request from the client; repeat it and watch the name change',
    `  ip netns exec ${clientNamespace} curl http://${vip}/`,
    '  # the connection table, the services, the health of it all',
    `  export VSNAT_SOCKET=${socket}`,
    `  ${vsnat} flows`,
    `  ${vsnat} services`,
    '  # other weights, without losing a connection',
    `  sed -i 's/weight: 5/weight: 1/' ${configFile}`,
    `  ${vsnat} reload`,
    '  # every number',
    `  ip netns exec ${directorNamespace} curl -s ${metricsUrl}`,
    '  # the wire as the client sees it',
    `  ip netns exec ${clientNamespace} tcpdump -nni eth0`,
  ];
}
