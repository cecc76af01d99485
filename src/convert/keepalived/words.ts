// SPDX-License-Identifier: Apache-2.0
/**
 * How many words a keyword takes. keepalived ends a statement at a brace or the end of the line and reads no further than
 * it needs: of `TCP_CHECK { connect_port 81 connect_timeout 3 }` it takes the port, and says nothing of the rest.
 */
import type { Notes } from '../note.js';
import type { Statement } from './tree.js';

const every = Number.POSITIVE_INFINITY;

/** One, if not said here. */
const taken: Readonly<Record<string, number>> = {
  virtual_server: 2,
  real_server: 2,
  sorry_server: 2,
  regex: every, // its words are counted with its quotes
  regex_options: every,
  regex_stack: 2,
  status_code: every,
  misc_path: every,
  user: 2,
  payload: every,
  require_reply: every,
  url: 0,
  lb_kind: every,
  lvs_method: every,
  sorry_server_lvs_method: every,
};

const isBool = (word: string): boolean => /^(?:on|off|true|false|yes|no)$/.test(word);

/** Of keywords that stand alone, with a word for yes or no at most. */
const switches: ReadonlySet<string> = new Set(
  (
    'hashed flag-1 flag-2 flag-3 sh-port sh-fallback mh-port mh-fallback ops alpha omega inhibit_on_failure log_all_failures ' +
    'regex_no_match enable_sni misc_dynamic fast_recovery'
  ).split(' '),
);

/** Names what stands behind the words that `statement` takes, where people have put two settings on a line. */
export function tellMore({ words, place, block }: Statement, notes: Notes): void {
  const [key = '', first = ''] = words;
  const most = switches.has(key)
    ? Number(isBool(first))
    : /_(?:CHECK|GET)$/.test(key)
      ? 0
      : ((Object.hasOwn(taken, key) ? taken[key] : undefined) ?? 1);
  const more = words.slice(most + 1);
  if (more.length === 0) return;
  const text = block === null ? more.join(' ') : `${more.join(' ')} {`;
  notes.add(
    place,
    text,
    `stands behind ${key} on one line, where keepalived reads nothing more; left out, give it a line of its own`,
  );
}
