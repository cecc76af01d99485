// SPDX-License-Identifier: Apache-2.0
/**
 * A command line of ipvsadm to a request, or ipvsadm's own complaint. What is checked when, and so which of several
 * mistakes is named, is as in ipvsadm 1.31; test/fixtures/ipvsadm holds what the real one said.
 *
 * Left to right: a command first, then its options, each value as it comes. Then what belongs together: words too
 * many, scheduler flags, options the command needs or does not take, and last what only these two together can say.
 */
import type { Family } from '../model/index.js';
import { checkOptions, checkTunnel } from './checks.js';
import { readFlags } from './flags.js';
import { options, type CommandName, type Option, type OptionName } from './options.js';
import { OptionReader } from './popt.js';
import { minusOne, misuse, Refusal, seeHelp } from './refusal.js';
import {
  familyOfKey,
  type Forwarding,
  type ListFormat,
  type Netmask,
  type Request,
  type ServerKey,
  type ServiceKey,
  type ServiceSettings,
  type TimeoutChange,
} from './request.js';
import { leadingNumber, readHostPort, readIpv4, readIpv6, readNumber, type Names } from './values.js';

/** Throws a Refusal. */
export async function parseCommandLine(words: readonly string[], names: Names): Promise<Request> {
  if (words.length === 0) return listAll;
  const reader = new OptionReader(words, options);
  const first = reader.next();
  const means = first.kind === 'option' ? first.spec.means : undefined;
  if (first.kind !== 'option' || means === undefined || !('command' in means)) throw seeHelp();
  if (means.command === 'help' || means.command === 'version') return { command: means.command };
  const line = new CommandLine(means.command, names);
  line.begin(first.value);
  for (let step = reader.next(); step.kind !== 'end'; step = reader.next()) {
    if (step.kind === 'mistake') throw new Refusal(minusOne, `${step.word}: ${step.complaint}`, false);
    await line.take(step.spec, step.value ?? '', step.value !== undefined, step.word);
  }
  return line.finish(reader.others);
}

const listAll: Request = {
  command: 'list',
  what: 'services',
  service: null,
  format: { numeric: false, view: 'table', exact: false, sorted: true, tunnelInfo: false },
};

/** -p without a value. The manual says 300; ipvsadm.c has said 360 since 1.00. */
const defaultPersistence = 360;
/** 31 days. */
const longestTimeout = 31 * 24 * 3600;
const mostInt = 0x7fffffff;
/** Names longer than the kernel's fields are cut, not refused. */
const longestScheduler = 15;
const longestEngine = 16;

class CommandLine {
  readonly #command: CommandName;
  readonly #names: Names;
  readonly #given = new Set<OptionName>();
  #role: 'master' | 'backup' = 'master';
  #service: ServiceKey | undefined;
  #family: Family = 'ipv4';
  #netmask: Netmask = '255.255.255.255' as Netmask;
  #scheduler = '';
  #flags = '';
  #persistence: number | null = null;
  #engine: string | null = null;
  #server: ServerKey | undefined;
  #serverFamily: Family = 'ipv4';
  #forwarding: Forwarding = 'direct routing';
  #weight = 1;
  #upperThreshold = 0;
  #lowerThreshold = 0;
  #tunnel = 'ipip';

  constructor(command: CommandName, names: Names) {
    this.#command = command;
    this.#names = names;
  }

  /** The value of the command itself: the two daemon commands have one. */
  begin(value: string | undefined): void {
    if (value === undefined) return;
    if (value !== 'master' && value !== 'backup') {
      throw misuse(
        this.#command === 'start-daemon'
          ? 'illegal start-daemon parameter specified'
          : 'illegal start_daemon specified',
      );
    }
    this.#role = value;
  }

  async take({ means, long }: Option, value: string, hasValue: boolean, word: string): Promise<void> {
    if ('command' in means) throw misuse(`invalid option \`${word}'`);
    if ('option' in means) {
      if (this.#given.has(means.option)) throw misuse(`multiple '${means.option}' options specified`);
      this.#given.add(means.option);
      await this.#read(means.option, long, value, hasValue);
    } else if (means.other === 'ipv6') {
      this.#takeIpv6();
    }
  }

  finish(others: readonly string[]): Request {
    const timeouts = this.#command === 'set' ? readTimeouts(others.slice(0, 3)) : undefined;
    const [surplus] = timeouts === undefined ? others : others.slice(3);
    if (surplus !== undefined) throw misuse(`unexpected argument ${surplus}`);
    const flags = readFlags(this.#scheduler, this.#flags);
    checkOptions(this.#command, this.#given);
    return this.#request(flags, timeouts);
  }

  async #read(option: OptionName, long: string, value: string, hasValue: boolean): Promise<void> {
    switch (option) {
      case 'service-address':
        return long === 'fwmark-service' ? this.#readMark(value) : this.#readService(long, value);
      case 'real-server':
        return this.#readServer(value);
      case 'netmask':
        return this.#readNetmask(value);
      case 'scheduler':
        this.#scheduler = value.slice(0, longestScheduler);
        return;
      case 'sched-flags':
        this.#flags = value;
        return;
      case 'pe':
        this.#engine = value === '' ? null : value.slice(0, longestEngine);
        return;
      case 'persistent':
        this.#persistence = hasValue ? readTimeout(value, 1) : defaultPersistence;
        return;
      case 'forwarding-method':
        this.#forwarding = forwardings[long] ?? 'direct routing';
        return;
      case 'weight':
        this.#weight = numberOr(value, 0, mostInt, 'illegal weight specified');
        return;
      case 'u-threshold':
        this.#upperThreshold = numberOr(value, 0, mostInt, 'illegal u_threshold specified');
        return;
      case 'l-threshold':
        this.#lowerThreshold = numberOr(value, 0, mostInt, 'illegal l_threshold specified');
        return;
      case 'tun-type':
        if (!['ipip', 'gue', 'gre'].includes(value)) throw misuse('illegal tunnel type specified');
        this.#tunnel = value;
        return;
      case 'tun-port':
        numberOr(value, 1, 65535, 'illegal tunnel port specified');
        return;
      default:
        readDaemonOption(option, value);
    }
  }

  async #readService(long: string, value: string): Promise<void> {
    const protocol = protocols[long] ?? 'tcp';
    const read = await readHostPort(value, protocol, this.#names);
    if (read === undefined) throw misuse('illegal virtual server address[:port] specified');
    this.#service = { protocol, address: read.address, port: read.port ?? 0 };
    this.#family = read.family;
    if (read.family === 'ipv6') this.#netmask = longestPrefix;
  }

  #readMark(value: string): void {
    const mark = readNumber(value, 1, 0xffffffff);
    if (mark === undefined) throw misuse(`invalid fwmark value \`${value}' specified`);
    this.#service = { mark, family: 'ipv4' };
  }

  #takeIpv6(): void {
    if (this.#service === undefined || !('mark' in this.#service)) throw misuse('-6 used before -f\n');
    this.#service = { ...this.#service, family: 'ipv6' };
    this.#family = 'ipv6';
    this.#netmask = longestPrefix;
  }

  /** Takes the port over from the service, if that was named before. */
  async #readServer(value: string): Promise<void> {
    const service = this.#service !== undefined && 'port' in this.#service ? this.#service : undefined;
    const read = await readHostPort(value, service?.protocol ?? '', this.#names);
    if (read === undefined) throw misuse('illegal real server address[:port] specified');
    this.#server = { address: read.address, port: read.port ?? service?.port ?? 0 };
    this.#serverFamily = read.family;
  }

  #readNetmask(value: string): void {
    if (this.#family === 'ipv6') {
      const length = leadingNumber(value);
      if (length < 1 || length > longestPrefix) throw misuse('illegal ipv6 netmask specified');
      this.#netmask = length;
    } else {
      const mask = readIpv4(value);
      if (mask === undefined) throw misuse('illegal virtual server persistent mask specified');
      this.#netmask = mask;
    }
  }

  #request(flags: readonly number[], timeouts: TimeoutChange | undefined): Request {
    const command = this.#command;
    switch (command) {
      case 'add-service':
      case 'edit-service':
        return { command, service: this.#serviceKey(), settings: this.#serviceSettings(flags) };
      case 'delete-service':
        return { command, service: this.#serviceKey() };
      case 'add-server':
      case 'edit-server':
        return this.#serverRequest(command);
      case 'delete-server':
        return { command, service: this.#serviceKey(), server: this.#serverKey() };
      case 'zero':
        return { command, service: this.#service ?? null };
      case 'save':
        return { command, numeric: this.#given.has('numeric') };
      case 'set':
        return { command, timeouts: timeouts ?? { tcp: 0, tcpFin: 0, udp: 0 } };
      case 'start-daemon':
      case 'stop-daemon':
        return { command, role: this.#role };
      case 'list':
        return this.#listRequest();
      case 'flush':
      case 'restore':
        return { command };
    }
  }

  #serviceSettings(flags: readonly number[]): ServiceSettings {
    const service = this.#serviceKey();
    const onePacket = this.#given.has('ops');
    if ('port' in service) {
      if (service.port === 0 && this.#persistence === null)
        throw misuse('Zero port specified for non-persistent service');
      if (onePacket && service.protocol !== 'udp')
        throw misuse('One-Packet Scheduling is only for UDP virtual services');
    }
    return {
      scheduler: this.#scheduler === '' ? 'wlc' : this.#scheduler,
      flags,
      persistence: this.#persistence,
      netmask: this.#netmask,
      engine: this.#engine,
      onePacket,
    };
  }

  #serverRequest(command: 'add-server' | 'edit-server'): Request {
    const service = this.#serviceKey();
    const forwarding = this.#forwarding;
    const isRewritten = forwarding === 'masquerading' || !('port' in service);
    const server = isRewritten ? this.#serverKey() : { ...this.#serverKey(), port: service.port };
    if (this.#serverFamily !== familyOfKey(service) && forwarding !== 'tunneling')
      throw misuse('Different address family is allowed only for tunneling servers');
    checkTunnel(this.#tunnel, forwarding, this.#given);
    return {
      command,
      service,
      server,
      settings: {
        forwarding,
        weight: this.#weight,
        upperThreshold: this.#upperThreshold,
        lowerThreshold: this.#lowerThreshold,
      },
    };
  }

  #listRequest(): Request {
    const has = (...names: OptionName[]): boolean => names.some((name) => this.#given.has(name));
    const what = has('connection')
      ? 'connections'
      : has('timeout')
        ? 'timeouts'
        : has('daemon')
          ? 'daemons'
          : 'services';
    if (
      (what !== 'services' && has('stats', 'rate', 'thresholds')) ||
      ((what === 'timeouts' || what === 'daemons') && has('persistent-conn'))
    )
      throw misuse('options conflicts in the list command');
    const view =
      (['stats', 'rate', 'thresholds', 'persistent-conn'] as const).find((name) => has(name)) ?? 'table';
    const format: ListFormat = {
      numeric: has('numeric'),
      view,
      exact: has('exact'),
      sorted: !has('nosort'),
      tunnelInfo: has('tun-info'),
    };
    return { command: 'list', what, service: this.#service ?? null, format };
  }

  /** checkOptions() has seen to it that the two are there. */
  #serviceKey(): ServiceKey {
    if (this.#service === undefined) throw seeHelp();
    return this.#service;
  }

  #serverKey(): ServerKey {
    if (this.#server === undefined) throw seeHelp();
    return this.#server;
  }
}

const longestPrefix = 128;

const protocols: Readonly<Record<string, 'tcp' | 'udp' | 'sctp'>> = {
  'tcp-service': 'tcp',
  'udp-service': 'udp',
  'sctp-service': 'sctp',
};

const forwardings: Readonly<Record<string, Forwarding>> = {
  masquerading: 'masquerading',
  ipip: 'tunneling',
  gatewaying: 'direct routing',
};

function numberOr(text: string, least: number, most: number, complaint: string): number {
  const value = readNumber(text, least, most);
  if (value === undefined) throw misuse(complaint);
  return value;
}

const readTimeout = (text: string, least: number): number =>
  numberOr(text, least, longestTimeout, `invalid timeout value \`${text}' specified`);

function readTimeouts(words: readonly string[]): TimeoutChange {
  const [tcp, tcpFin, udp] = words;
  if (tcp === undefined || tcpFin === undefined || udp === undefined)
    throw misuse('--set option requires 3 timeout values');
  return { tcp: readTimeout(tcp, 0), tcpFin: readTimeout(tcpFin, 0), udp: readTimeout(udp, 0) };
}

/** Of the synchronisation daemon: read for their mistakes, then forgotten. Everything else has no value to read. */
function readDaemonOption(option: OptionName, value: string): void {
  switch (option) {
    case 'syncid':
      numberOr(value, 0, 255, 'illegal syncid specified');
      break;
    case 'sync-maxlen':
      numberOr(value, 1, 65535, 'illegal sync-maxlen specified');
      break;
    case 'mcast-port':
      numberOr(value, 1, 65535, 'illegal mcast-port specified');
      break;
    case 'mcast-ttl':
      numberOr(value, 1, 255, 'illegal mcast-ttl specified');
      break;
    case 'mcast-group':
      readGroup(value);
      break;
    default:
  }
}

function readGroup(text: string): void {
  if (text.includes(':')) {
    if (readIpv6(text)?.startsWith('ff') !== true) throw misuse(`invalid IPv6 mcast-group \`${text}'`);
    return;
  }
  const first = Number(readIpv4(text)?.split('.')[0] ?? 0);
  if (first < 224 || first > 239) throw misuse(`invalid IPv4 mcast-group \`${text}'`);
}
