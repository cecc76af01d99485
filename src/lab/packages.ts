// SPDX-License-Identifier: Apache-2.0
/**
 * Programs the demo likes to have. It says what it is about to install and why before it does; when that fails it
 * goes on without and says what the demo then cannot show.
 */
import { spawn } from 'node:child_process';
import { realSystem } from '../host/index.js';

interface Wanted {
  readonly program: string;
  readonly probe: readonly string[];
  readonly debianPackage: string;
  readonly purpose: string;
  readonly without: string;
}

const wanted: readonly Wanted[] = [
  {
    program: 'nft',
    probe: ['nft', '--version'],
    debianPackage: 'nftables',
    purpose: 'to lead replies into the director',
    without: 'plain policy rules lead the replies instead',
  },
  {
    program: 'tcpdump',
    probe: ['tcpdump', '--version'],
    debianPackage: 'tcpdump',
    purpose: "to count what the client's wire carries",
    without: 'no capture can prove that the client sees the VIP only',
  },
  {
    program: 'curl',
    probe: ['curl', '--version'],
    debianPackage: 'curl',
    purpose: 'for you to send requests by hand',
    without: 'use another HTTP client to send requests by hand',
  },
];

const installWithinMs = 120_000;

async function missing(): Promise<readonly Wanted[]> {
  const results = await Promise.all(
    wanted.map(async (it) => ({ it, result: await realSystem.run(it.probe) })),
  );
  return results.filter(({ result }) => result.status !== 0).map(({ it }) => it);
}

/** Names of the programs that are there in the end. */
export async function ensurePrograms(say: (line: string) => void): Promise<ReadonlySet<string>> {
  let absent = await missing();
  if (absent.length > 0) {
    for (const it of absent) say(`  installing the Debian package ${it.debianPackage}, ${it.purpose}`);
    const names = absent.map((it) => it.debianPackage);
    // A fresh image has no package lists yet: the first try fails at once, and the lists are fetched.
    const isDone = (await aptGet('install', '--no-install-recommends', ...names)) || (await aptGet('update'));
    absent = await missing();
    if (isDone && absent.length > 0) await aptGet('install', '--no-install-recommends', ...names);
    absent = await missing();
  }
  for (const it of absent)
    say(`  ${it.program} is still missing (apt-get install ${it.debianPackage}): ${it.without}`);
  const gone = new Set(absent.map((it) => it.program));
  return new Set(wanted.map((it) => it.program).filter((program) => !gone.has(program)));
}

function aptGet(...args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn('apt-get', ['-y', '-qq', ...args], {
      stdio: 'ignore',
      timeout: installWithinMs,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    child.on('error', () => resolve(false));
    child.on('close', (status) => resolve(status === 0));
  });
}
