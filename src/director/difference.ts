// SPDX-License-Identifier: Apache-2.0
/** A difference between two configurations as data, and as the line that people read. Needs nothing: commands load it to print answers. */

/** One difference between two configurations; describeChange() makes a line of it. */
export type Change =
  | {
      readonly kind: 'added' | 'removed';
      readonly what: 'service' | 'server';
      readonly name: string;
      readonly detail: string;
    }
  | {
      readonly kind: 'changed';
      readonly what: 'service' | 'server' | 'setting';
      readonly name: string;
      readonly property: string;
      readonly from: string;
      readonly to: string;
      /** restart: noted now, obeyed by the next start. */
      readonly effect: 'now' | 'restart';
    };

/** One line per change: "+ service web …", "- server web 10.2.1.2:8080", "~ server web 10.2.1.2:8080 weight 1 -> 3". */
export function describeChange(change: Change): string {
  if (change.kind !== 'changed') {
    const sign = change.kind === 'added' ? '+' : '-';
    return `${sign} ${change.what} ${change.name}${change.detail === '' ? '' : ` ${change.detail}`}`;
  }
  const { what, name, property, from, to, effect } = change;
  const subject = what === 'setting' ? property : `${name} ${property}`;
  return `~ ${what} ${subject} ${from} -> ${to}${effect === 'restart' ? ' (at the next start)' : ''}`;
}
