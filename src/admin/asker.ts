// SPDX-License-Identifier: Apache-2.0
/** Vsnat-By: what the asker calls itself, for logs, events and the list of changes. It proves nothing and permits nothing. */
import type { IncomingHttpHeaders } from 'node:http';

import { parseAsker, usualAsker } from '../director/asker.js';
import { askerHeader } from './peer.js';
import { HttpRefusal } from './refusal.js';

/** Throws 400 for what is no name. */
export function askerOf(headers: IncomingHttpHeaders): string {
  const text = headers[askerHeader]?.toString();
  if (text === undefined) return usualAsker;
  const asker = parseAsker(text);
  if (asker.ok) return asker.value;
  throw new HttpRefusal(400, `${askerHeader}: must ${asker.must}, got ${JSON.stringify(text.slice(0, 40))}`);
}
