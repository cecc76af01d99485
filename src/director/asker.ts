// SPDX-License-Identifier: Apache-2.0
/**
 * Who asks for a change, in one word: `api` where nothing is said, what a program calls itself (`cli`, `ipvsadm`, `my-deployer`),
 * or the daemon's own words. It ends up in logs, events and on terminals, so it is short and plain, and nobody can
 * pass for the daemon.
 */
import { good, mistake, type Parsed } from '../model/parsed.js';

export const usualAsker = 'api';

/** What changes without anybody's request: a signal, the file at the start, checks. */
export const daemonsOwn = ['sighup', 'file', 'health'] as const;

/** Also in the words of OpenAPI. */
export const askerPattern = '^[A-Za-z0-9][A-Za-z0-9._@-]{0,31}$';

const form = new RegExp(askerPattern);

export function parseAsker(text: string): Parsed<string> {
  if (!form.test(text)) return mistake('be a name of 1..32 letters, digits and . _ @ -');
  if (daemonsOwn.some((word) => word === text.toLowerCase()))
    return mistake(`differ from ${daemonsOwn.join(', ')}`, 'those are what the daemon does by itself');
  return good(text);
}
