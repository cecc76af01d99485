// SPDX-License-Identifier: Apache-2.0
/**
 * What lines of ipvsadm's mean for a configuration of vsnat: the same services, built up in the same order. Only the
 * grammar scenarios use: -A -E -D with -s, -b, -p, -M, --pe and -o; -a -e -d with -r, -m, -w, -x, -y; --set.
 */
import type { ServiceConfig } from '../netns/support/daemon.js';
import type { Listener } from './world.js';

interface Server {
  readonly address: string;
  readonly weight: number;
  readonly max_connections: number;
  readonly resume_connections: number;
}

/** What -A and -E say of a service: all of it each time, as ipvsadm has it. */
type Settings = Readonly<Record<string, unknown>>;

interface Service {
  /** `-t 10.9.0.1:80` */
  readonly key: string;
  readonly settings: Settings;
  readonly servers: readonly Server[];
}

const noLine = (line: string): Error => new Error(`ipvsadm ${line}: the oracle does not know this line`);

type Options = ReadonlyMap<string, string>;

/** Options with their values; -m and -o have none. */
function optionsOf(line: string): Options {
  const words = line.trim().split(/\s+/);
  const options = new Map<string, string>();
  for (let i = 0; i < words.length; i += 1) {
    const option = words[i] ?? '';
    if (!/^(-[AEDaedtufrmswxybpMo6]|--sctp-service|--pe)$/.test(option)) throw noLine(line);
    const takesValue = /^(-[tufrswxybpM]|--sctp-service|--pe)$/.test(option);
    options.set(option, takesValue ? (words[(i += 1)] ?? '') : '');
  }
  return options;
}

const protocols = { '-t': 'tcp', '-u': 'udp', '--sctp-service': 'sctp' } as const;

function keyOf(options: Options, line: string): string {
  const flag = ['-t', '-u', '--sctp-service', '-f'].find((one) => options.has(one));
  if (flag === undefined) throw noLine(line);
  return `${flag} ${options.get(flag) ?? ''}`;
}

function settingsOf(options: Options): Settings {
  const flags = options.get('-b')?.split(',') ?? [];
  const timeout = options.get('-p');
  const mask = options.get('-M');
  const engine = options.get('--pe');
  return {
    scheduler: options.get('-s') ?? 'wlc',
    ...(flags.length > 0 && { flags }),
    ...(options.has('-o') && { one_packet: true }),
    ...(timeout !== undefined && {
      persistence: {
        timeout: `${timeout}s`,
        ...(mask !== undefined && { netmask: prefixLength(mask) }),
        ...(engine !== undefined && { engine }),
      },
    }),
  };
}

/** ipvsadm wants a mask for IPv4, a length for IPv6. */
const prefixLength = (mask: string): number =>
  mask.includes('.')
    ? mask
        .split('.')
        .map((byte) => Number(byte).toString(2).replace(/0+$/, '').length)
        .reduce((all, bits) => all + bits, 0)
    : Number(mask);

/** With --set, 0 is to leave a timeout as it is. */
const given = (name: string, seconds = '0'): Readonly<Record<string, string>> =>
  seconds === '0' ? {} : { [name]: `${seconds}s` };

/** A service's name in the configuration. */
export const nameOf = (key: string): string => key.replace(/\W+/g, '-').slice(1);

export class Services {
  readonly #services = new Map<string, Service>();
  readonly #marks = new Map<string, readonly string[]>();
  #timeouts: Readonly<Record<string, string>> = {};

  clear(): void {
    this.#timeouts = {};
    this.#services.clear();
    this.#marks.clear();
  }

  mark(mark: number, listeners: readonly Listener[]): void {
    this.#marks.set(
      `-f ${mark}`,
      listeners.map(({ protocol, address, port }) =>
        address.includes(':') ? `${protocol}://[${address}]:${port}` : `${protocol}://${address}:${port}`,
      ),
    );
  }

  apply(line: string): void {
    const [, tcp, tcpFin, udp] = /^--set (\d+) (\d+) (\d+)$/.exec(line) ?? [];
    if (udp !== undefined) {
      this.#timeouts = {
        ...this.#timeouts,
        ...given('tcp_established', tcp),
        ...given('tcp_fin_wait', tcpFin),
        ...given('udp', udp),
      };
      return;
    }
    const options = optionsOf(line);
    const verb = line.trim().slice(1, 2);
    const key = keyOf(options, line);
    const before = this.#services.get(key);
    if ((verb === 'A') === (before !== undefined)) throw noLine(line);
    const service: Service = before ?? { key, settings: {}, servers: [] };
    if (verb === 'D') {
      this.#services.delete(key);
    } else if (verb === 'A' || verb === 'E') {
      this.#services.set(key, { ...service, settings: settingsOf(options) });
    } else {
      this.#services.set(key, { ...service, servers: serversAfter(service.servers, verb, options, line) });
    }
  }

  hasScheduler(name: string): boolean {
    return [...this.#services.values()].some(({ settings }) => settings.scheduler === name);
  }

  config(): readonly ServiceConfig[] {
    return [...this.#services.values()].map(({ key, settings, servers }) => ({
      name: nameOf(key),
      ...this.#listen(key),
      ...settings,
      ...(Object.keys(this.#timeouts).length > 0 && { timeouts: this.#timeouts }),
      routed: true, // some servers are where no route leads
      servers: servers.map((server) => ({ ...server })),
    }));
  }

  #listen(key: string): {
    readonly listen: string | readonly string[];
    readonly mark?: number;
    readonly helper?: string;
  } {
    const [flag = '', value = ''] = key.split(' ');
    if (flag === '-f') return { mark: Number(value), listen: this.#marks.get(key) ?? [] };
    return {
      listen: `${protocols[flag as keyof typeof protocols]}://${value}`,
      // The kernel's helper needs no word: it looks at the port.
      ...(flag === '-t' && value.endsWith(':21') && { helper: 'ftp' }),
    };
  }
}

function serversAfter(
  servers: readonly Server[],
  verb: string,
  options: Options,
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
