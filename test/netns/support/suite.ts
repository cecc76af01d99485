// SPDX-License-Identifier: Apache-2.0
/**
 * What every suite here needs: to run only where it can (and never to look passed where it did not), and a lab whose
 * daemon is held to its promises after every test.
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, onTestFailed, vi } from 'vitest';
import { missingPrograms, type Program } from '../../support/programs.js';
import { Lab, type LabOptions } from './lab.js';
import { sweepLeftovers } from './namespace.js';

// A test waits for daemons, programs and the kernel's timers, on a machine that has other work: longer than until() does.
vi.setConfig({ testTimeout: 120_000 });

const capNetAdmin = 1n << 12n;
const capSysAdmin = 1n << 21n;

function whatIsMissing(): string | null {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const capabilities = BigInt(`0x${effective}`);
  if ((capabilities & capNetAdmin) === 0n) return 'CAP_NET_ADMIN';
  if ((capabilities & capSysAdmin) === 0n) return 'CAP_SYS_ADMIN (to make network namespaces)';
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch {
    return '/dev/net/tun';
  }
  return missingPrograms(['ip', 'nft', 'ethtool', 'tcpdump', 'curl']);
}

const missing = whatIsMissing();

/** `describe` of everything below test/netns; `programs` are those it needs beside what all need. */
export function suite(name: string, tests: () => void, programs: readonly Program[] = []): void {
  const lacking = missing ?? missingPrograms(programs);
  if (lacking === null) {
    describe(name, tests);
    return;
  }
  console.error(`SKIPPED: ${name}: needs ${lacking}`);
  if (process.env.VSNAT_REQUIRE_NETNS === '1')
    throw new Error(`VSNAT_REQUIRE_NETNS=1, but ${name} needs ${lacking}`);
  describe.skip(name, tests);
}

/** A lab for all tests of the enclosing `suite`. Counters are checked after each test, leftovers after the last. */
export function useLab(options: LabOptions): () => Lab {
  let lab: Lab | undefined;
  const get = (): Lab => {
    if (lab === undefined) throw new Error('the lab exists only inside tests');
    return lab;
  };
  beforeAll(async () => {
    await sweepLeftovers();
    lab = await Lab.create(options);
  }, 240_000); // the first suite compiles the load tool
  beforeEach(() => {
    onTestFailed(() => {
      console.error(`the daemon's log:\n${lab?.log ?? 'no daemon'}`);
    });
  });
  afterEach(async () => {
    await lab?.assertConservation();
  });
  afterAll(async () => {
    const finished = lab;
    lab = undefined;
    await finished?.close();
  });
  return get;
}
