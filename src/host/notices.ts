// SPDX-License-Identifier: Apache-2.0
/**
 * Who says that something of the host has changed, so that nobody has to run programs every few seconds to find that nothing
 * has. A notice tells no more than that: whoever hears it looks for himself, and then asks for the next one.
 */
import type { ChangeSubject } from '../dataplane/host-changes.js';
import type { System } from './system.js';

/** Calls back once when something has changed, then no more until listen(); what changed before that is of the past. */
export interface Notices {
  listen(): void;
  close(): void;
}

type Told = Pick<System, 'notices' | 'read'>;

/** null: nobody tells, so one has to look. */
export type Hear = (heard: () => void) => Notices | null;

/** What Host sets or depends on. Its routes alone: a router may learn a thousand others a second. */
const ofPlumbing: readonly ChangeSubject[] = [
  'links',
  'addresses',
  'routes',
  'rules',
  'settings',
  'firewall',
];

/** `files`: what is written of sysctls, as paths. */
export const plumbingNotices =
  (system: Told, files: () => readonly string[], everyMs: number): Hear =>
  (heard) =>
    both(system.notices(ofPlumbing, heard), fileNotices(system, files, everyMs, heard));

/** What bystanders.ts and interfaces.ts read. */
const ofBystanders: readonly ChangeSubject[] = [
  'links',
  'rules',
  'settings',
  'firewall',
  'policies',
  'queueing',
];
/** Nobody tells of iptables-legacy. */
export const legacyTableFiles = ['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names'] as const;

export const bystanderNotices =
  (system: Told, everyMs: number): Hear =>
  (heard) =>
    both(
      system.notices(ofBystanders, heard),
      fileNotices(system, () => legacyTableFiles, everyMs, heard),
    );

/** Where the kernel does not tell, files alone are not enough. */
function both(kernel: Notices | null, files: Notices): Notices | null {
  if (kernel === null) return null;
  return {
    listen: () => {
      kernel.listen();
      files.listen();
    },
    close: () => {
      kernel.close();
      files.close();
    },
  };
}

/** Of files, which only reading tells: compared every so often with what they were at listen(). */
function fileNotices(
  system: Pick<System, 'read'>,
  files: () => readonly string[],
  everyMs: number,
  heard: () => void,
): Notices {
  const readAll = async (): Promise<string> =>
    JSON.stringify(await Promise.all(files().map((file) => system.read(file))));
  let timer: NodeJS.Timeout | undefined;
  let turn = 0;
  const listen = async (): Promise<void> => {
    clearTimeout(timer);
    turn += 1;
    const mine = turn;
    const before = await readAll();
    const compareLater = (): void => {
      if (mine !== turn) return;
      timer = setTimeout(() => void compare(), everyMs).unref();
    };
    const compare = async (): Promise<void> => {
      const now = await readAll();
      if (mine !== turn) return;
      if (now === before) compareLater();
      else heard();
    };
    compareLater();
  };
  return {
    listen: () => void listen(),
    close: () => {
      clearTimeout(timer);
      turn += 1;
    },
  };
}
