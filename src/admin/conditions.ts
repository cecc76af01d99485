// SPDX-License-Identifier: Apache-2.0
/**
 * If-Match and If-None-Match (RFC 9110 section 13.1). The tag of a configuration is the daemon's start and the revision, so
 * that one read from a former process never passes for one of this.
 */
import type { IncomingHttpHeaders } from 'node:http';

import { ChangeRefused } from '../director/change-refused.js';
import type { Precondition } from '../director/run-time.js';
import { HttpRefusal } from './refusal.js';

export const revisionTag = (startedAt: number, revision: number): string =>
  `"${startedAt.toString(36)}-${revision}"`;

/** Throws 400 when the header is none. A weak tag never matches here; none of ours is weak. */
export function preconditionOf(
  { 'if-match': header }: IncomingHttpHeaders,
  tagOf: (revision: number) => string,
): Precondition {
  if (header === undefined || header.trim() === '*') return () => undefined;
  const wanted = tagsOf('if-match', header);
  return (revision) => {
    if (wanted.includes(tagOf(revision))) return;
    throw new ChangeRefused(
      'changed-meanwhile',
      `if-match: must be the revision that runs, ${tagOf(revision)}, got ${wanted.join(', ').slice(0, 200)}; ` +
        'read the configuration again and decide anew',
    );
  };
}

/** Whether the asker has this answer already. */
export function isKnown({ 'if-none-match': header }: IncomingHttpHeaders, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  return tagsOf('if-none-match', header).some((tag) => tag.replace(/^W\//, '') === etag);
}

function tagsOf(name: string, header: string): readonly string[] {
  const tags = header.split(',').map((tag) => tag.trim());
  if (tags.every((tag) => /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/.test(tag))) return tags;
  throw new HttpRefusal(400, `${name}: must be a tag in double quotes, as the etag of an answer is`);
}
