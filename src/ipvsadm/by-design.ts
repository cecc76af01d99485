// SPDX-License-Identifier: Apache-2.0
/**
 * What ipvsadm can ask for and this director does not do, by choice: docs/ipvsadm.md lists it, docs/differences.md says why.
 *
 * Asked only once ipvsadm itself would have been content, and before the daemon is: a script hears of its mistakes
 * first, and a service that would behave otherwise than asked is never made.
 */
import { maxWeight } from '../model/index.js';
import { schedulerNames } from '../scheduler/index.js';
import { flagOf } from './flags.js';
import { type Request, type ServerSettings, type ServiceSettings } from './request.js';

/** The sentence to refuse with, or undefined. */
export function refusedByDesign(request: Request): string | undefined {
  switch (request.command) {
    case 'add-service':
    case 'edit-service':
      return settingsRefused(request.settings);
    case 'add-server':
    case 'edit-server':
      return forwardingRefused(request.settings) ?? weightRefused(request.settings);
    case 'start-daemon':
      return refused(
        'connection synchronisation (--start-daemon)',
        'another director that picks by the client (sh, mh) picks the same servers without it',
      );
    default:
      return undefined;
  }
}

const refused = (what: string, instead: string): string => `no ${what} here; ${instead}`;

function settingsRefused({ scheduler, flags }: ServiceSettings): string | undefined {
  const isKnown = (schedulerNames as readonly string[]).includes(scheduler);
  if (isKnown && flags.some((flag) => flagOf(scheduler, flag) === undefined))
    return refused(`flag without a meaning to ${scheduler} (-b)`, 'leave it out');
  return undefined;
}

function forwardingRefused({ forwarding }: ServerSettings): string | undefined {
  if (forwarding === 'masquerading') return undefined;
  const option = forwarding === 'tunneling' ? '-i' : '-g, the default';
  return `vsnat forwards by masquerading only, not by ${forwarding} (${option}); add -m`;
}

const weightRefused = ({ weight }: ServerSettings): string | undefined =>
  weight > maxWeight
    ? refused(`weight above ${maxWeight}`, 'divide all weights by the same number')
    : undefined;
