// SPDX-License-Identifier: Apache-2.0
/** What the proxies have in common: a configuration in a folder of their own, VIPs on the loopback device, a program. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Topology } from '../../test/netns/support/topology.js';
import { until } from '../../test/netns/support/until.js';
import { addProxyVips, isListening, proxyVipOf, type Running } from './contender.js';

export interface Proxy {
  readonly name: string;
  readonly configuration: (topology: Topology, directory: string) => string;
  /** How it is started in the foreground with the configuration `file`, which lies in `directory`. */
  readonly argv: (file: string, directory: string) => string[];
}

/** Resolves when it listens; whatever fails before that leaves nothing behind. */
export async function startProxy(topology: Topology, { name, configuration, argv }: Proxy): Promise<Running> {
  const directory = await mkdtemp(path.join(tmpdir(), 'vsnat-bench-'));
  const file = path.join(directory, 'proxy.conf');
  await writeFile(file, configuration(topology, directory));
  const removeVips = await addProxyVips(topology);
  const program = topology.director.namespace.spawn(argv(file, directory));
  const stop = async (): Promise<void> => {
    await program.stop();
    await removeVips();
    await rm(directory, { recursive: true });
  };
  await until(`${name} to listen`, () => isListening(topology, program)).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return { to: proxyVipOf, processes: [program.pid], stop };
}
