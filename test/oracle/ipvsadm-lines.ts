// SPDX-License-Identifier: Apache-2.0
/**
 * What lines of ipvsadm's mean for a configuration of vsnat: the same services, built up in the same order. Only the
 * grammar scenarios use: -A -E -D with -s and -b; -a -e -d with -r, -m, -w, -x, -y.
 */
import type { ServiceConfig } from '../netns/support/daemon.js';

interface Server {
  readonly address: string;
  readonly weight: number;
  readonly max_connections: number;
  readonly resume_connections: number;
}

interface Service {
  readonly listen: string;
  readonly scheduler: string;
  readonly flags: readonly string[];
  readonly servers: readonly Server[];
}

const noLine = (line: string): Error => new Error(`ipvsadm ${line}: the oracle does not know this line`);

/** Options with their values; -m alone has none. */
function optionsOf(line: string): ReadonlyMap<string, string> {
  const words = line.trim().split(/\s+/);
  const options = new Map<string, string>();
  for (let i = 0; i < words.length; i += 1) {
    const option = words[i] ?? '';
    if (!/^-[AEDaedturmswxyb]$/.test(option)) throw noLine(line);
    const takesValue = /^-[turswxyb]$/.test(option);
    options.set(option, takesValue ? (words[(i += 1)] ?? '') : '');
  }
  return options;
}

export class Services {
  readonly #services = new Map<string, Service>();

  clear(): void {
    this.#services.clear();
  }

  apply(line: string): void {
    const options = optionsOf(line);
    const verb = line.trim().slice(1, 2);
    const tcp = options.get('-t');
    const listen = tcp === undefined ? `udp://${options.get('-u') ?? ''}` : `tcp://${tcp}`;
    const before = this.#services.get(listen);
    if ((verb === 'A') === (before !== undefined)) throw noLine(line);
    const service: Service = before ?? { listen, scheduler: 'wlc', flags: [], servers: [] };
    if (verb === 'D') {
      this.#services.delete(listen);
    } else if (verb === 'A' || verb === 'E') {
      const flags = options.get('-b')?.split(',') ?? [];
      this.#services.set(listen, { ...service, scheduler: options.get('-s') ?? 'wlc', flags });
    } else {
      this.#services.set(listen, { ...service, servers: serversAfter(service.servers, verb, options, line) });
    }
  }

  hasScheduler(name: string): boolean {
    return [...this.#services.values()].some(({ scheduler }) => scheduler === name);
  }

  config(): readonly ServiceConfig[] {
    return [...this.#services.values()].map(({ listen, scheduler, flags, servers }) => ({
      name: listen.replace(/\W+/g, '-'),
      listen,
      scheduler,
      ...(flags.length > 0 && { flags }),
      servers: servers.map((server) => ({ ...server })),
    }));
  }
}

function serversAfter(
  servers: readonly Server[],
  verb: string,
  options: ReadonlyMap<string, string>,
  line: string,
): readonly Server[] {
  const address = options.get('-r') ?? '';
  const exists = servers.some((server) => server.address === address);
  if ((verb === 'a') === exists) throw noLine(line);
  if (verb === 'd') return servers.filter((server) => server.address !== address);
  if (!options.has('-m')) throw noLine(line);
  const server: Server = {
    address,
    weight: Number(options.get('-w') ?? 1),
    max_connections: Number(options.get('-x') ?? 0),
    resume_connections: Number(options.get('-y') ?? 0),
  };
  if (verb === 'a') return [...servers, server];
  return servers.map((old) => (old.address === address ? server : old));
}
