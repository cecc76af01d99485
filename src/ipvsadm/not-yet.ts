// SPDX-License-Identifier: Apache-2.0
/**
 * What ipvsadm can ask for and this director does not do. The only place that knows: to open something up, take its
 * line away here and give the operation in `change.ts` its words.
 *
 * Asked only once ipvsadm itself would have been content, and before the daemon is: a script hears of its mistakes
 * first, and a service that would behave otherwise than asked is never made.
 */
import { maxWeight } from '../model/index.js';
import { schedulerNames } from '../scheduler/index.js';
import { flagOf } from './flags.js';
import { type Request, type ServerSettings, type ServiceSettings } from './request.js';

/** The sentence to refuse with, or undefined. */
export function notYet(request: Request): string | undefined {
  switch (request.command) {
    case 'add-service':
    case 'edit-service':
      return settingsNotYet(request.settings);
    case 'add-server':
    case 'edit-server':
      return forwardingNotYet(request.settings) ?? weightNotYet(request.settings);
    case 'start-daemon':
      return later(
        'the connection synchronisation daemon (--start-daemon)',
        'run one director, or let clients reconnect',
      );
    default:
      return undefined;
  }
}

const later = (what: string, instead: string): string =>
  `${what} is not in this version of vsnat; ${instead}`;

function settingsNotYet({ scheduler, flags, engine }: ServiceSettings): string | undefined {
  if (engine !== null) return later('a persistence engine (--pe)', 'leave it out');
  const isKnown = (schedulerNames as readonly string[]).includes(scheduler);
  if (isKnown && flags.some((flag) => flagOf(scheduler, flag) === undefined))
    return later(`a flag without a meaning to ${scheduler} (-b)`, 'leave it out');
  return undefined;
}

function forwardingNotYet({ forwarding }: ServerSettings): string | undefined {
  if (forwarding === 'masquerading') return undefined;
  const option = forwarding === 'tunneling' ? '-i' : '-g, the default';
  return `vsnat forwards by masquerading only, not by ${forwarding} (${option}); add -m`;
}

const weightNotYet = ({ weight }: ServerSettings): string | undefined =>
  weight > maxWeight
    ? later(`a weight above ${maxWeight}`, 'divide all weights by the same number')
    : undefined;
