// SPDX-License-Identifier: Apache-2.0
/** The real IPVS: Debian's kernel in a virtual machine. Without KVM, so that it runs wherever qemu does. */
import { createConnection, type Socket } from 'node:net';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { Background } from '../netns/support/process.js';
import { until } from '../netns/support/until.js';
import { addressText } from './bytes.js';
import { buildImage } from './kernel-image.js';
import { literalVips, type Host } from './lab.js';
import { Names } from './names.js';
import { cache, Player } from './player.js';
import {
  fence,
  type Capture,
  type Connection,
  type Listener,
  type ServerLine,
  type VsnatSettings,
  type World,
} from './world.js';

/** Five seconds, on a machine that has nothing else to do. */
const bootDeadlineMs = 400_000;
const defaultTimeouts = '--set 900 120 300';

export class KernelWorld implements World {
  /** Boots a machine with addresses for `scenarios` scenarios. */
  static async start(scenarios: number): Promise<KernelWorld> {
    const vips = Array.from({ length: scenarios }, (_, i) => new Names(i + 1)).flatMap((names) =>
      ['vip', 'vip2', 'vip3'].flatMap((vip) => [
        `${names.address(vip)}/32`,
        `${names.address(`${vip}-v6`)}/128`,
      ]),
    );
    const image = await buildImage([
      `${fence.service.split(':')[0] ?? ''}/32`,
      ...literalVips.map((vip) => `${vip}/${vip.includes(':') ? 128 : 32}`),
      ...vips,
    ]);
    const socket = path.join(cache, `qemu-${process.pid}.sock`);
    await rm(socket, { force: true });
    const machine = new Background([
      'qemu-system-x86_64',
      ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '1G', '-nic', 'none'],
      ...['-kernel', image.kernel, '-initrd', image.initramfs],
      ...['-append', 'console=ttyS0 quiet panic=-1 mitigations=off nowatchdog'],
      ...['-display', 'none', '-serial', 'stdio', '-monitor', 'none', '-no-reboot'],
      ...['-device', 'virtio-serial', '-device', 'virtserialport,chardev=port,name=player'],
      ...['-chardev', `socket,id=port,path=${socket},server=on,wait=off`],
    ]);
    try {
      const channel = await until('qemu to listen', () => connect(socket));
      const player = new Player(channel, channel);
      await player.ready(bootDeadlineMs);
      const world = new KernelWorld(machine, channel, player, image.origin);
      await world.#restore([`-A -u ${fence.service} -s rr`, `-a -u ${fence.service} -r ${fence.server} -m`]);
      return world;
    } catch (error) {
      await machine.stop('SIGKILL');
      throw new Error(`the machine did not come up:\n${machine.output}`, { cause: error });
    } finally {
      await rm(socket, { force: true });
    }
  }

  readonly #machine: Background;
  readonly #channel: Socket;
  readonly #player: Player;
  readonly #services = new Set<string>();
  #hasSetTimeouts = false;
  /** Settings to put back. */
  readonly #changed = new Map<string, string>();

  private constructor(
    machine: Background,
    channel: Socket,
    player: Player,
    readonly origin: string,
  ) {
    this.#machine = machine;
    this.#channel = channel;
    this.#player = player;
  }

  async begin(_settings: VsnatSettings, sysctls: Readonly<Record<string, number>>): Promise<void> {
    await this.#restore([...this.#services].map((service) => `-D ${service}`));
    this.#services.clear();
    if (this.#hasSetTimeouts) await this.#restore([defaultTimeouts]);
    this.#hasSetTimeouts = false;
    for (const [name, value] of this.#changed) await this.#mustRun(`sysctl -w ${name}=${value}`);
    this.#changed.clear();
    for (const [key, value] of Object.entries(sysctls)) {
      const name = `net.ipv4.vs.${key}`;
      this.#changed.set(name, (await this.#mustRun(`sysctl -n ${name}`)).join(' '));
      await this.#mustRun(`sysctl -w ${name}=${value}`);
    }
  }

  /** It goes with the beginning of the next one. */
  end(): Promise<void> {
    return Promise.resolve();
  }

  async mark(mark: number, listeners: readonly Listener[]): Promise<void> {
    const rules = listeners.map(({ protocol, address, port }) => {
      const family = address.includes(':') ? 'ip6' : 'ip';
      return `add rule inet oracle marks ${family} daddr ${address} ${protocol} dport ${port} meta mark set ${mark}`;
    });
    const chain = 'add chain inet oracle marks { type filter hook prerouting priority -150; }';
    await this.#mustRun(`nft -f - << ${['add table inet oracle', chain, ...rules].join(';')}`);
  }

  async ipvsadm(lines: readonly string[]): Promise<void> {
    await this.#restore(lines);
    for (const line of lines) {
      const [, verb = '', service = ''] =
        /^-(\w) ((?:-[tu]|--sctp-service) \S+|-f \d+(?: -6)?)/.exec(line) ?? [];
      if (verb === 'A') this.#services.add(service);
      if (verb === 'D') this.#services.delete(service);
      this.#hasSetTimeouts ||= line.startsWith('--set');
    }
  }

  /** One program for all lines: starting one takes the emulated machine a fifth of a second. */
  async #restore(lines: readonly string[]): Promise<void> {
    if (lines.length === 0) return;
    const output = await this.#mustRun(`ipvsadm -R << ${lines.join(';')}`);
    if (output.length > 0) throw new Error(`${lines.join('; ')}: ${output.join('\n')}`);
  }

  send(from: Host, packet: Buffer): Promise<readonly Capture[]> {
    return this.#player.send(from, packet);
  }

  wait(milliseconds: number): Promise<readonly Capture[]> {
    return this.#player.gather(milliseconds);
  }

  /** What `ipvsadm -Lnc` prints, from where it has it. */
  async connections(): Promise<readonly Connection[]> {
    const lines = await this.#player.read('ip_vs_conn');
    return lines.slice(1).map((line) => {
      const [protocol = '', ...fields] = line.trim().split(/\s+/);
      const [client, clientPort, virtual, virtualPort, real, realPort, state = '', expires, , callId] =
        fields;
      return {
        protocol,
        state,
        client: endpoint(client, clientPort),
        virtual: endpoint(virtual, virtualPort),
        real: endpoint(real, realPort),
        expiresInSeconds: Number(expires),
        ...(callId !== undefined && { callId }),
      };
    });
  }

  async servers(service: string): Promise<readonly ServerLine[]> {
    const lines = await this.#mustRun(`ipvsadm -Ln ${service}`);
    return lines.flatMap((line) => {
      const match = /^ {2}-> (\S+:\d+) +Masq +(\d+) +(\d+) +(\d+)/.exec(line);
      if (match === null) return [];
      const [, server = '', weight, active, inactive] = match;
      return [{ server, weight: Number(weight), active: Number(active), inactive: Number(inactive) }];
    });
  }

  async close(): Promise<void> {
    this.#channel.destroy();
    await this.#machine.stop('SIGKILL');
  }

  async #mustRun(command: string): Promise<readonly string[]> {
    const { code, output } = await this.#player.run(command);
    if (code !== 0) throw new Error(`${command}: exit code ${code}\n${output.join('\n')}`);
    return output;
  }
}

/** C0A80001 1F90, or [fd00:0001:…] 1F90. */
function endpoint(address = '', port = ''): string {
  const bytes = Buffer.from(address.replace(/\W/g, ''), 'hex');
  const text = addressText(bytes);
  return `${bytes.length === 4 ? text : `[${text}]`}:${parseInt(port, 16)}`;
}

function connect(file: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = createConnection(file);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(null));
  });
}
