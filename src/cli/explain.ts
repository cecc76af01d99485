// SPDX-License-Identifier: Apache-2.0
/**
 * `vsnat explain`: what becomes of a packet, and why. Against a file the real dataplane is asked, on a memory device:
 * its code, its tables, no device and no root. Against the daemon the daemon explains; nothing of it is changed.
 */
import { readFile } from 'node:fs/promises';

import { Director, type MemoryDirector } from '../director/director.js';
import type { Explanation, Tuple } from '../director/explain.js';
import { exitCodes, VsnatError, said } from '../errors.js';
import { formatEndpoint, parseEndpoint, type Endpoint } from '../model/index.js';
import { firstPacket } from '../packet/build.js';
import { readCapture } from '../packet/capture-file.js';
import { readPacket } from '../packet/read.js';
import type { Io } from './io.js';
import { loadForThisHost } from './machine.js';
import { connectionLines, explanationLines, type SeenConnection } from './show-explanation.js';

export interface ExplainOptions {
  readonly words: readonly string[];
  readonly config?: string;
  readonly pcap?: string;
  readonly json: boolean;
  readonly ask: <T>(path: string) => Promise<T>;
}

/** 1 when the packet, or any of a capture's, would not be forwarded. */
export async function explainCommand(options: ExplainOptions, io: Io): Promise<number> {
  const { pcap, config, words } = options;
  if ((pcap === undefined) === (words.length === 0))
    throw usage(
      'must be told one packet, or a capture; write `vsnat explain tcp CLIENT:PORT VIP:PORT` or `--pcap FILE`',
    );
  const director = config === undefined ? null : Director.memory((await loadForThisHost(config)).model);
  try {
    if (pcap !== undefined) return await explainCapture(pcap, director, options, io);
    return await explainTuple(readTuple(words), director, options, io);
  } finally {
    await director?.close();
  }
}

async function explainTuple(
  tuple: Tuple,
  director: MemoryDirector | null,
  { json, ask }: ExplainOptions,
  io: Io,
): Promise<number> {
  const explanation =
    director === null ? await ask<Explanation>(queryOf(tuple)) : await director.explain(tuple);
  const tried = director === null ? null : attempt(tuple, director);
  if (json) io.json(tried === null ? explanation : { ...explanation, tried });
  else explanationLines(explanation, tried).forEach((line) => io.line(line));
  return explanation.verdict === 'forwarded' ? exitCodes.ok : exitCodes.failed;
}

const queryOf = ({ protocol, client, to }: Tuple): string =>
  `/v1/explain?${new URLSearchParams({ protocol, client: formatEndpoint(client), to: formatEndpoint(to) }).toString()}`;

export interface Tried {
  /** As the dataplane says it: forwarded, passed, generated, or a drop reason. */
  readonly verdict: string;
  readonly server: string | null;
}

/** Puts the packet through the dataplane's own code. */
function attempt(tuple: Tuple, director: MemoryDirector): Tried | null {
  const packet = firstPacket(tuple);
  if (packet === null) return null;
  const { verdict, outputs } = director.process({ packet, nowMs: 0 });
  const [output] = outputs;
  const to =
    verdict === 'forwarded' && output !== undefined ? readPacket(output.packet)?.destination : undefined;
  return { verdict, server: to === undefined ? null : formatEndpoint(to) };
}

/** All packets in their order, as the director would have seen them; gathered by connection. */
async function explainCapture(
  file: string,
  director: MemoryDirector | null,
  { json, ask }: ExplainOptions,
  io: Io,
): Promise<number> {
  const { packets, leftOut } = readCapture(await readBytes(file), file);
  const seen = new Map<string, SeenConnection>();
  let others = 0;
  for (const { packet, atMs } of packets) {
    const facts = readPacket(packet);
    if (facts === null) {
      if (director !== null) director.process({ packet, nowMs: atMs });
      others += 1;
      continue;
    }
    const { protocol, source: client, destination: to } = facts;
    const key = `${protocol} ${formatEndpoint(client)} ${formatEndpoint(to)}`;
    const known = seen.get(key);
    if (known !== undefined && director === null) {
      known.packets += 1;
      continue;
    }
    const explanation =
      known?.explanation ??
      (director === null
        ? await ask<Explanation>(queryOf({ protocol, client, to }))
        : await director.explain({ protocol, client, to }));
    const connection = known ?? { explanation, packets: 0, verdicts: {} };
    connection.packets += 1;
    if (director !== null) {
      director.expire(atMs);
      const { verdict } = director.process({ packet, nowMs: atMs });
      connection.verdicts[verdict] = (connection.verdicts[verdict] ?? 0) + 1;
    }
    seen.set(key, connection);
  }
  const connections = [...seen.values()];
  if (json) io.json({ file, packets: packets.length, leftOut, others, connections });
  else
    connectionLines({ file, packets: packets.length, leftOut, others, connections }).forEach((line) =>
      io.line(line),
    );
  return exitCodes.ok;
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw usage(`--pcap: must be a readable file, got ${said(error)}`);
  }
}

function readTuple([protocol = '', client = '', to = '', ...more]: readonly string[]): Tuple {
  if ((protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') || more.length > 0)
    throw usage(`must be PROTOCOL CLIENT:PORT VIP:PORT with tcp, udp or sctp, got "${protocol}"`);
  return { protocol, client: endpoint('client', client), to: endpoint('VIP', to) };
}

function endpoint(what: string, text: string): Endpoint {
  const parsed = parseEndpoint(text);
  if (parsed.ok) return parsed.value;
  throw usage(
    `${what}: must ${parsed.must}, got "${text}"${parsed.hint === undefined ? '' : `; ${parsed.hint}`}`,
  );
}

const usage = (message: string): VsnatError => new VsnatError('VSNAT_USAGE', `explain: ${message}`);
