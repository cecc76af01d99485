// SPDX-License-Identifier: Apache-2.0
/** What arrived on the client's wire, counted by source address: the proof that the client only ever sees the VIP. */
import type { ChildProcess } from 'node:child_process';
import { VsnatError } from '../errors.js';
import { endChild, waitFor, type Namespace } from './namespaces.js';

const startWithinMs = 5000;

export interface Capture {
  readonly child: ChildProcess;
  /** Stop and count: packets by source address. */
  stop(): Promise<ReadonlyMap<string, number>>;
}

/** "12:00:00.000000 IP 10.9.0.1.80 > 10.1.0.2.40000: tcp 0" → "10.9.0.1". ICMP lines have no port. */
export function sourceOf(line: string): string | null {
  return /\bIP (\d+\.\d+\.\d+\.\d+)(?:\.\d+)? > /.exec(line)?.[1] ?? null;
}

export async function startCapture(namespace: Namespace, device: string): Promise<Capture> {
  const filter = ['--direction=in', '-nn', '-q', '--immediate-mode', '-i', device, 'ip'];
  const child = namespace.spawn(['tcpdump', ...filter], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // Ctrl-C is ours to answer, in order
  });
  const output = collect(child.stdout);
  const messages = collect(child.stderr);
  const isReady = (): true | null =>
    messages().includes('listening on') || child.exitCode !== null ? true : null;
  await waitFor(isReady, startWithinMs);
  if (child.exitCode !== null || !messages().includes('listening on'))
    throw new VsnatError('VSNAT_LAB', `demo: tcpdump did not start, got ${JSON.stringify(messages())}`);
  return { child, stop: () => count(child, output) };
}

async function count(child: ChildProcess, output: () => string): Promise<ReadonlyMap<string, number>> {
  const closed = new Promise((resolve) => child.once('close', resolve));
  await endChild(child);
  await closed; // all of its output has been read
  const counts = new Map<string, number>();
  for (const line of output().split('\n')) {
    const source = sourceOf(line);
    if (source !== null) counts.set(source, (counts.get(source) ?? 0) + 1);
  }
  return counts;
}

function collect(stream: ChildProcess['stdout']): () => string {
  let text = '';
  stream?.setEncoding('utf8').on('data', (part: string) => (text += part));
  return () => text;
}
