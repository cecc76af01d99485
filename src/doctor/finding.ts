// SPDX-License-Identifier: Apache-2.0
/** What the doctor says: something is wrong with a subject, why that matters, and the command that mends it. */

/** wrong: packets are lost, or the daemon cannot start. doubtful: it may, for some clients or one day. */
export type Level = 'wrong' | 'doubtful';

export interface Finding {
  readonly level: Level;
  /** `where: what is so, got X`. */
  readonly what: string;
  /** What becomes of packets, or of whom. */
  readonly why: string;
  /** A command line for a shell of this host, unless `mendAt` names another place; null where none can exist. */
  readonly mend: string | null;
  /** Where the command is to be typed, when not here. */
  readonly mendAt?: string;
}

/** A check looks at facts and touches nothing. A string says why it could not look. */
export interface Check<Facts> {
  readonly name: string;
  /** What is so when all is well. */
  readonly title: string;
  readonly look: (facts: Facts) => readonly Finding[] | string;
}

export interface Examined {
  readonly check: string;
  readonly title: string;
  readonly findings: readonly Finding[];
  /** Why it was not looked at, or null. */
  readonly skipped: string | null;
}

export function examine<Facts>(checks: readonly Check<Facts>[], facts: Facts): readonly Examined[] {
  return checks.map(({ name, title, look }) => {
    const seen = look(facts);
    return typeof seen === 'string'
      ? { check: name, title, findings: [], skipped: seen }
      : { check: name, title, findings: seen, skipped: null };
  });
}

export const wrong = (finding: Omit<Finding, 'level'>): Finding => ({ level: 'wrong', ...finding });
export const doubtful = (finding: Omit<Finding, 'level'>): Finding => ({ level: 'doubtful', ...finding });
