// SPDX-License-Identifier: Apache-2.0
/**
 * Network namespaces by name. Every name carries the pid of the process that made it, so the next run recognises
 * what a killed run left behind and takes it away.
 */
import { existsSync, readdirSync } from 'node:fs';
import { Background, must, run, type Finished, type RunOptions } from './process.js';

const namePattern = /^vst(\d+)-\d+-/;
let labs = 0;

/** A prefix no other lab on this machine uses. */
export const freshPrefix = (): string => `vst${process.pid}-${labs++}-`;

export class Namespace {
  constructor(readonly name: string) {}

  command(argv: readonly string[]): readonly string[] {
    return ['ip', 'netns', 'exec', this.name, ...argv];
  }

  run(argv: readonly string[], options?: RunOptions): Promise<Finished> {
    return run(this.command(argv), options);
  }

  must(argv: readonly string[], options?: RunOptions): Promise<string> {
    return must(this.command(argv), options);
  }

  /** `ip netns exec` replaces itself by the command, so the pid is the command's. */
  spawn(argv: readonly string[], options?: RunOptions): Background {
    return new Background(this.command(argv), options);
  }

  /** `ip -batch` lines: one process, however many there are. */
  async ip(lines: readonly string[]): Promise<void> {
    if (lines.length > 0)
      await must(['ip', '-n', this.name, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  }

  async sysctl(settings: Readonly<Record<string, number | string>>): Promise<void> {
    await this.must(['sysctl', '-qw', ...Object.entries(settings).map(([key, value]) => `${key}=${value}`)]);
  }
}

export async function createNamespaces(names: readonly string[]): Promise<void> {
  await must(['ip', '-batch', '-'], { input: names.map((name) => `netns add ${name}\n`).join('') });
}

/** Ends what still runs inside, by pid, and removes the namespaces. */
export async function removeNamespaces(names: readonly string[]): Promise<void> {
  for (const name of names) {
    if (!existsSync(`/run/netns/${name}`)) continue;
    for (const pid of (await must(['ip', 'netns', 'pids', name])).split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It ended between the listing and now.
      }
    }
    await must(['ip', 'netns', 'del', name]);
  }
}

/** Removes the namespaces of runs whose process is gone. */
export async function sweepLeftovers(): Promise<void> {
  if (!existsSync('/run/netns')) return;
  const stale = readdirSync('/run/netns').filter((name) => {
    const pid = namePattern.exec(name)?.[1];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  });
  await removeNamespaces(stale);
}
