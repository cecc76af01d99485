// SPDX-License-Identifier: Apache-2.0
/** Programs that tests call, and the Debian packages they come in: a test that cannot run says what to install. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { test } from 'vitest';

export const debianPackages = {
  ip: 'iproute2',
  nft: 'nftables',
  ethtool: 'ethtool',
  tcpdump: 'tcpdump',
  curl: 'curl',
  openssl: 'openssl',
  python3: 'python3',
  promtool: 'prometheus',
  prometheus: 'prometheus',
  arping: 'iputils-arping',
  valgrind: 'valgrind',
} as const;

export type Program = keyof typeof debianPackages;

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(path.delimiter).some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** "tcpdump, curl (apt-get install tcpdump curl)", or null when all are there. */
export function missingPrograms(programs: readonly Program[]): string | null {
  const missing = programs.filter((program) => !isOnPath(program));
  if (missing.length === 0) return null;
  const packages = new Set(missing.map((program) => debianPackages[program]));
  return `${missing.join(', ')} (apt-get install ${[...packages].join(' ')})`;
}

/** `test` where the programs are; elsewhere skipped aloud, or a failure when nothing may be skipped. */
export function testWith(...programs: readonly Program[]): typeof test | typeof test.skip {
  const missing = missingPrograms(programs);
  return testWhere(missing === null, missing ?? '');
}

/** The same for anything else a test may need; `needed` says what, and how to get it. */
export function testWhere(isThere: boolean, needed: string): typeof test | typeof test.skip {
  if (isThere) return test;
  console.error(`SKIPPED: needs ${needed}`);
  if (Boolean(process.env['CI'] ?? process.env['VSNAT_REQUIRE_ALL']))
    // as tools/test.mjs has it
    throw new Error(`nothing may be skipped here, but a test needs ${needed}`);
  return test.skip;
}
