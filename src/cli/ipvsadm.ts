// SPDX-License-Identifier: Apache-2.0
/**
 * `vsnat ipvsadm`: one command line, carried out. Output, complaints and exit codes are ipvsadm's (255 when the kernel
 * would refuse, 2 when the words make no sense), except where this director says no for reasons of its own: then a
 * sentence that starts with "vsnat:" and exit code 1.
 */
import type { ChangeAnswer } from '../admin/api.js';
import { ChangeRefused } from '../director/change-refused.js';
import type { Operation } from '../director/operation.js';
import { exitCodes } from '../errors.js';
import {
  addressesOf,
  addressesOfConnection,
  byName,
  complaintOf,
  connectionLine,
  connectionTitles,
  formatKey,
  helpText,
  inNumbers,
  listingLines,
  minusOne,
  refusedByDesign,
  parseCommandLine,
  Refusal,
  ruleLines,
  seeHelp,
  versionText,
  wordsOfRule,
  type Names,
  type Request,
  type Table,
  type TableConnection,
  type TableService,
} from '../ipvsadm/index.js';
import { isSchedulerName, shippedScheduler } from '../scheduler/index.js';
import type { Io } from './io.js';
import { operationOf } from './ipvsadm-operation.js';
import { version } from './version.js';

/** What of the daemon this needs. */
export interface IpvsadmDaemon {
  table(): Promise<Table>;
  change(operations: readonly Operation[]): Promise<ChangeAnswer>;
  zero(service: string | null): Promise<unknown>;
  /** Page by page. */
  connections(): AsyncIterable<readonly TableConnection[]>;
}

export interface IpvsadmParts {
  readonly daemon: IpvsadmDaemon;
  readonly names: Names;
  readonly io: Io;
}

/** Returns the exit code. Throws only what is not ipvsadm's to say: no daemon, or one in trouble. */
export async function runIpvsadm(words: readonly string[], parts: IpvsadmParts): Promise<number> {
  try {
    return await obey(await parseCommandLine(words, parts.names), parts);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    parts.io.complain(error.message);
    return error.exitCode;
  }
}

async function obey(request: Request, parts: IpvsadmParts): Promise<number> {
  const { daemon, io } = parts;
  const refusal = refusedByDesign(request);
  if (refusal !== undefined) {
    io.complain(`vsnat: ${refusal}`);
    return exitCodes.failed;
  }
  switch (request.command) {
    case 'help':
      io.out(helpText(version));
      return exitCodes.ok;
    case 'version':
      io.out(versionText(version));
      return exitCodes.ok;
    case 'list':
      return list(request, parts);
    case 'save':
      return save(request.numeric, parts);
    case 'restore':
      return restoreLineByLine(await io.input(), parts);
    case 'stop-daemon':
      throw new Refusal(minusOne, complaintOf(request.command, 'no-such-daemon') ?? '', false);
    case 'zero':
      return told(request, parts, () =>
        daemon.zero(request.service === null ? null : formatKey(request.service)),
      );
    default: {
      const operation = operationOf(request);
      if (operation === undefined) throw seeHelp();
      return told(request, parts, async () => {
        const { notes } = await daemon.change([operation]);
        for (const note of notes) io.complain(`vsnat: note: ${note}`);
      });
    }
  }
}

/** The kernel's refusals in ipvsadm's words; the director's own in its own. */
async function told(request: Request, { io }: IpvsadmParts, tell: () => Promise<unknown>): Promise<number> {
  try {
    await tell();
    return exitCodes.ok;
  } catch (error) {
    if (!(error instanceof ChangeRefused)) throw error;
    const complaint = complaintOf(request.command, error.reason);
    if (complaint !== undefined) throw new Refusal(minusOne, complaint, false);
    io.complain(`vsnat: ${error.message}`);
    return exitCodes.failed;
  }
}

async function list(
  { what, service, format }: Extract<Request, { readonly command: 'list' }>,
  parts: IpvsadmParts,
): Promise<number> {
  const { daemon, io, names } = parts;
  if (what === 'daemons') return exitCodes.ok; // none ever runs
  if (what === 'connections')
    return listConnections(format.numeric, format.view === 'persistent-conn', parts);
  const table = await daemon.table();
  if (what === 'timeouts') {
    const { tcp, tcpFin, udp } = table.timeouts;
    io.out(`Timeout (tcp tcpfin udp): ${tcp} ${tcpFin} ${udp}`);
    return exitCodes.ok;
  }
  const only = service === null ? null : (find(table, formatKey(service)) ?? null);
  if (service !== null && only === null) throw new Refusal(1, 'No such service', false);
  const shown = only === null ? table.services : [only];
  const nameOf = format.numeric ? inNumbers : await byName(addressesOf(shown), names);
  io.out(listingLines(table, format, nameOf, only).join('\n'));
  return exitCodes.ok;
}

const find = (table: Table, key: string): TableService | undefined =>
  table.services.find((service) => formatKey(service.key) === key);

async function listConnections(
  numeric: boolean,
  withEngine: boolean,
  { daemon, io, names }: IpvsadmParts,
): Promise<number> {
  let isFirst = true;
  for await (const rows of daemon.connections()) {
    if (isFirst) connectionTitles(withEngine).forEach((line) => io.out(line)); // not before the daemon has answered
    isFirst = false;
    const nameOf = numeric ? inNumbers : await byName(rows.flatMap(addressesOfConnection), names);
    rows.forEach((row) => io.out(connectionLine(row, nameOf, withEngine)));
  }
  return exitCodes.ok;
}

async function save(numeric: boolean, { daemon, io, names }: IpvsadmParts): Promise<number> {
  const { services } = await daemon.table();
  const nameOf = numeric ? inNumbers : await byName(addressesOf(services), names);
  const lines = ruleLines(services, nameOf);
  if (lines.length > 0) io.out(lines.join('\n'));
  for (const { key, scheduler } of services) {
    if (isSchedulerName(scheduler)) continue;
    const what =
      shippedScheduler(scheduler) === undefined ? 'it cannot be restored' : 'its options are not saved';
    io.complain(
      `vsnat: note: service ${formatKey(key)}: no kernel has the scheduler ${scheduler}, and ${what}`,
    );
  }
  return exitCodes.ok;
}

/**
 * `ipvsadm -R`: every line on its own, as if typed. What the kernel would refuse is said and passed over, what makes no
 * sense ends it, and the exit code is that of the last line.
 */
async function restoreLineByLine(text: string, parts: IpvsadmParts): Promise<number> {
  let exitCode: number = exitCodes.ok;
  for (const line of text.split('\n')) {
    const words = wordsOfRule(line);
    if (words.length === 0) continue;
    try {
      const request = await parseCommandLine(words, parts.names);
      if (request.command === 'restore') throw seeHelp();
      exitCode = await obey(request, parts);
      if (request.command === 'help' || request.command === 'version') return exitCode;
    } catch (error) {
      if (!(error instanceof Refusal) || error.isFinal) throw error;
      parts.io.complain(error.message);
      exitCode = error.exitCode;
    }
  }
  return exitCode;
}
