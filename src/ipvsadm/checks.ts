// SPDX-License-Identifier: Apache-2.0
/** Which options go with a command, and which with a tunnel. The first mistake in ipvsadm's order of options is named. */
import { commandRules, optionNames, type CommandName, type OptionName } from './options.js';
import { misuse } from './refusal.js';
import type { Forwarding } from './request.js';

export function checkOptions(command: CommandName, given: ReadonlySet<OptionName>): void {
  const { needs = [], takes = [], oneOf = [] } = commandRules[command];
  let chosen: OptionName | undefined;
  for (const name of optionNames) {
    const isGiven = given.has(name);
    if (needs.includes(name)) {
      if (!isGiven) throw misuse(`You need to supply the '${name}' option for the '${command}' command`);
    } else if (isGiven && oneOf.includes(name)) {
      if (chosen !== undefined)
        throw misuse(
          `The option '${name}' conflicts with the '${chosen}' option in the '${command}' command`,
        );
      chosen = name;
    } else if (isGiven && !takes.includes(name)) {
      throw misuse(`Illegal '${name}' option with the '${command}' command`);
    }
  }
}

const tunnelOptions = ['tun-port', 'tun-nocsum', 'tun-csum', 'tun-remcsum'] as const;
const sums: Readonly<Record<string, readonly OptionName[]>> = {
  ipip: [],
  gre: ['tun-nocsum', 'tun-csum'],
  gue: ['tun-nocsum', 'tun-csum', 'tun-remcsum'],
};

export function checkTunnel(type: string, forwarding: Forwarding, given: ReadonlySet<OptionName>): void {
  const isTunnel = forwarding === 'tunneling';
  if (!isTunnel && (given.has('tun-type') || tunnelOptions.some((name) => given.has(name))))
    throw misuse('Tunnel options conflict with forward method');
  if (!isTunnel) return;
  let chosen: OptionName | undefined;
  for (const name of tunnelOptions) {
    const isGiven = given.has(name);
    if (name === 'tun-port' && type === 'gue') {
      if (!isGiven) throw misuse(`You need to supply the '${name}' option for the '${type}' tunnel type`);
    } else if (isGiven && sums[type]?.includes(name) === true) {
      if (chosen !== undefined)
        throw misuse(
          `The option '${name}' conflicts with the '${chosen}' option in the '${type}' tunnel type`,
        );
      chosen = name;
    } else if (isGiven) {
      throw misuse(`Illegal '${name}' option with the '${type}' tunnel type`);
    }
  }
}
