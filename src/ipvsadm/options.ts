// SPDX-License-Identifier: Apache-2.0
/**
 * The options of ipvsadm 1.31 and which command takes which. The order of `optionNames` is part of the behaviour: of
 * several mistakes in one command line, ipvsadm names the one that comes first here, wherever it was typed.
 */
import type { OptionSpec } from './popt.js';

export const optionNames = [
  'numeric',
  'connection',
  'service-address',
  'scheduler',
  'persistent',
  'netmask',
  'real-server',
  'forwarding-method',
  'weight',
  'u-threshold',
  'l-threshold',
  'mcast-interface',
  'timeout',
  'daemon',
  'stats',
  'rate',
  'thresholds',
  'persistent-conn',
  'nosort',
  'syncid',
  'exact',
  'ops',
  'pe',
  'sched-flags',
  'mcast-group',
  'mcast-port',
  'mcast-ttl',
  'sync-maxlen',
  'tun-info',
  'tun-type',
  'tun-port',
  'tun-nocsum',
  'tun-csum',
  'tun-remcsum',
] as const;

export type OptionName = (typeof optionNames)[number];

/** By the names that ipvsadm's complaints give them. */
export type CommandName =
  | 'add-service'
  | 'edit-service'
  | 'delete-service'
  | 'flush'
  | 'restore'
  | 'save'
  | 'add-server'
  | 'edit-server'
  | 'delete-server'
  | 'list'
  | 'zero'
  | 'set'
  | 'start-daemon'
  | 'stop-daemon';

interface CommandRule {
  readonly needs?: readonly OptionName[];
  readonly takes?: readonly OptionName[];
  /** At most one of these. */
  readonly oneOf?: readonly OptionName[];
}

const serviceOptions = ['scheduler', 'persistent', 'netmask', 'ops', 'pe', 'sched-flags'] as const;

const serverOptions = [
  'forwarding-method',
  'weight',
  'u-threshold',
  'l-threshold',
  'tun-type',
  'tun-port',
  'tun-nocsum',
  'tun-csum',
  'tun-remcsum',
] as const;

export const commandRules: Readonly<Record<CommandName, CommandRule>> = {
  'add-service': { needs: ['service-address'], takes: serviceOptions },
  'edit-service': { needs: ['service-address'], takes: serviceOptions },
  'delete-service': { needs: ['service-address'] },
  flush: {},
  restore: {},
  save: { takes: ['numeric'] },
  'add-server': { needs: ['service-address', 'real-server'], takes: serverOptions },
  'edit-server': { needs: ['service-address', 'real-server'], takes: serverOptions },
  'delete-server': { needs: ['service-address', 'real-server'] },
  list: {
    takes: [
      'numeric',
      'stats',
      'rate',
      'thresholds',
      'persistent-conn',
      'nosort',
      'syncid',
      'exact',
      'tun-info',
    ],
    oneOf: ['connection', 'service-address', 'timeout', 'daemon'],
  },
  zero: { takes: ['service-address'] },
  set: {},
  'start-daemon': {
    takes: ['mcast-interface', 'syncid', 'mcast-group', 'mcast-port', 'mcast-ttl', 'sync-maxlen'],
  },
  'stop-daemon': { takes: ['syncid'] },
};

/** What a word on the command line is for: a command, an option to be checked off, or neither. */
export type Meaning =
  | { readonly command: CommandName | 'help' | 'version' }
  | { readonly option: OptionName }
  | { readonly other: 'ipv6' | 'sort' };

export interface Option extends OptionSpec {
  readonly means: Meaning;
}

type Argument = OptionSpec['argument'];

const command = (
  long: string,
  shorts: string,
  name: CommandName | 'help' | 'version',
  argument: Argument = 'none',
): Option => ({ long, shorts, argument, means: { command: name } });

const option = (long: string, shorts: string, name: OptionName, argument: Argument = 'none'): Option => ({
  long,
  shorts,
  argument,
  means: { option: name },
});

export const options: readonly Option[] = [
  command('add-service', 'A', 'add-service'),
  command('edit-service', 'E', 'edit-service'),
  command('delete-service', 'D', 'delete-service'),
  command('clear', 'C', 'flush'),
  command('restore', 'R', 'restore'),
  command('save', 'S', 'save'),
  command('add-server', 'a', 'add-server'),
  command('edit-server', 'e', 'edit-server'),
  command('delete-server', 'd', 'delete-server'),
  command('list', 'Ll', 'list'),
  command('zero', 'Z', 'zero'),
  command('set', '', 'set'),
  command('start-daemon', '', 'start-daemon', 'required'),
  command('stop-daemon', '', 'stop-daemon', 'required'),
  command('help', 'h', 'help'),
  command('version', 'v', 'version'),
  option('tcp-service', 't', 'service-address', 'required'),
  option('udp-service', 'u', 'service-address', 'required'),
  option('sctp-service', '', 'service-address', 'required'),
  option('fwmark-service', 'f', 'service-address', 'required'),
  option('scheduler', 's', 'scheduler', 'required'),
  option('persistent', 'p', 'persistent', 'optional'),
  option('netmask', 'M', 'netmask', 'required'),
  option('real-server', 'r', 'real-server', 'required'),
  option('masquerading', 'm', 'forwarding-method'),
  option('ipip', 'i', 'forwarding-method'),
  option('gatewaying', 'g', 'forwarding-method'),
  option('weight', 'w', 'weight', 'required'),
  option('u-threshold', 'x', 'u-threshold', 'required'),
  option('l-threshold', 'y', 'l-threshold', 'required'),
  option('numeric', 'n', 'numeric'),
  option('connection', 'c', 'connection'),
  option('mcast-interface', '', 'mcast-interface', 'required'),
  option('mcast-group', '', 'mcast-group', 'required'),
  option('mcast-port', '', 'mcast-port', 'required'),
  option('mcast-ttl', '', 'mcast-ttl', 'required'),
  option('sync-maxlen', '', 'sync-maxlen', 'required'),
  option('syncid', '', 'syncid', 'required'),
  option('timeout', '', 'timeout'),
  option('daemon', '', 'daemon'),
  option('stats', '', 'stats'),
  option('rate', '', 'rate'),
  option('thresholds', '', 'thresholds'),
  option('persistent-conn', '', 'persistent-conn'),
  option('nosort', '', 'nosort'),
  option('exact', '', 'exact'),
  option('tun-info', '', 'tun-info'),
  option('tun-type', '', 'tun-type', 'required'),
  option('tun-port', '', 'tun-port', 'required'),
  option('tun-nocsum', '', 'tun-nocsum'),
  option('tun-csum', '', 'tun-csum'),
  option('tun-remcsum', '', 'tun-remcsum'),
  option('ops', 'o', 'ops'),
  option('pe', '', 'pe', 'required'),
  option('sched-flags', 'b', 'sched-flags', 'required'),
  { long: 'ipv6', shorts: '6', argument: 'none', means: { other: 'ipv6' } },
  { long: 'sort', shorts: '', argument: 'none', means: { other: 'sort' } },
];
