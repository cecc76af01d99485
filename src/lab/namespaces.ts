// SPDX-License-Identifier: Apache-2.0
/**
 * Network namespaces as a few machines on a table: make them, cable them, run programs in them, and leave nothing
 * behind. The demo and the tests that need root are built from these.
 *
 * Namespaces are named ones (`ip netns`), because a name survives whoever made it: what a killed run left is found
 * and removed by its name, and people can look inside with `ip netns exec`.
 */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { VsnatError } from '../errors.js';
import { realSystem, type CommandResult, type System } from '../host/index.js';

/** How long a process gets to end by itself before it is killed. */
const graceMs = 3000;
const pollMs = 20;

export const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Ask until the answer is not null, or until time is up: then null. */
export async function waitFor<T>(
  ask: () => Promise<T | null> | T | null,
  deadlineMs: number,
): Promise<T | null> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null || performance.now() > end) return answer;
    await delay(pollMs);
  }
}

/** Run a program on this machine; a failure is an error that says what the program said. */
export async function must(argv: readonly string[], stdin?: string): Promise<string> {
  const result = await realSystem.run(argv, stdin);
  if (result.status === 0) return result.stdout;
  const said = result.stderr.trim() === '' ? `exit status ${result.status}` : result.stderr.trim();
  throw new VsnatError(
    'VSNAT_LAB',
    `lab: ${argv.join(' ')} failed, got ${JSON.stringify(said.slice(0, 400))}`,
  );
}

export class Namespace {
  private constructor(readonly name: string) {}

  static async create(name: string): Promise<Namespace> {
    await must(['ip', 'netns', 'add', name]);
    const namespace = new Namespace(name);
    // Duplicate address detection would keep every IPv6 address unusable for its first second.
    await namespace.sysctl('net/ipv6/conf/default/accept_dad', '0').catch(() => undefined);
    await namespace.must(['ip', 'link', 'set', 'dev', 'lo', 'up']);
    return namespace;
  }

  /** The argument list that runs a program in here. `ip netns exec` becomes the program: its pid is the program's. */
  argv(argv: readonly string[]): readonly string[] {
    return ['ip', 'netns', 'exec', this.name, ...argv];
  }

  run(argv: readonly string[], stdin?: string): Promise<CommandResult> {
    return realSystem.run(this.argv(argv), stdin);
  }

  must(argv: readonly string[], stdin?: string): Promise<string> {
    return must(this.argv(argv), stdin);
  }

  spawn(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const [program = '', ...args] = this.argv(argv);
    return spawn(program, args, options);
  }

  /** `key` below /proc/sys, with slashes. */
  async sysctl(key: string, value: string): Promise<void> {
    await this.must(['tee', `/proc/sys/${key}`], value);
  }

  /** This namespace as a host, for src/host: /proc/sys/net shows the reader's namespace, so reading happens inside. */
  system(): System {
    const output = async (...argv: readonly string[]): Promise<string | null> => {
      const result = await this.run(argv);
      return result.status === 0 ? result.stdout : null;
    };
    return {
      run: (argv, stdin) => this.run(argv, stdin),
      follow: (argv, heard, ended) => realSystem.follow(this.argv(argv), heard, ended),
      notices: () => null, // of another namespace than this process
      read: (path) => output('cat', path),
      write: (path, text) => this.must(['tee', path], text).then(() => undefined),
      list: async (path) =>
        ((await output('ls', '-A', path)) ?? '').split('\n').filter((name) => name !== ''),
      link: async (path) => (await output('readlink', path))?.trim() ?? null,
    };
  }

  remove(): Promise<void> {
    return removeNamespace(this.name);
  }
}

export interface End {
  readonly namespace: Namespace;
  readonly interface: string;
  /** With prefix length: "10.1.0.1/24". */
  readonly addresses: readonly string[];
}

/** A cable between two namespaces, both ends up and addressed. */
export async function connect(a: End, b: End, options: { readonly mtu?: number } = {}): Promise<void> {
  const mtu = options.mtu === undefined ? [] : ['mtu', String(options.mtu)];
  await must([
    ...['ip', 'link', 'add', 'name', a.interface, ...mtu, 'netns', a.namespace.name, 'type', 'veth'],
    ...['peer', 'name', b.interface, ...mtu, 'netns', b.namespace.name],
  ]);
  for (const end of [a, b]) {
    for (const address of end.addresses)
      await end.namespace.must(['ip', 'address', 'add', address, 'dev', end.interface]);
    await end.namespace.must(['ip', 'link', 'set', 'dev', end.interface, 'up']);
  }
}

export async function namespaceNames(): Promise<readonly string[]> {
  const lines = (await must(['ip', 'netns', 'list'])).split('\n');
  return lines.map((line) => line.split(' ', 1)[0] ?? '').filter((name) => name !== '');
}

/** End every process in the namespace, by its pid, then remove the namespace. One that does not exist is fine. */
export async function removeNamespace(name: string): Promise<void> {
  if (!(await namespaceNames()).includes(name)) return;
  const pids = async (): Promise<readonly number[]> => {
    const listed = await realSystem.run(['ip', 'netns', 'pids', name]);
    return listed.stdout
      .split('\n')
      .filter((line) => line !== '')
      .map(Number);
  };
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    for (const pid of await pids()) endProcess(pid, signal);
    if ((await waitFor(async () => ((await pids()).length === 0 ? true : null), graceMs)) !== null) break;
  }
  await must(['ip', 'netns', 'delete', name]);
}

function endProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself in between.
  }
}

/** Resolves once the child is gone; asks it to end first, then makes it. */
export async function endChild(child: ChildProcess, deadlineMs: number = graceMs): Promise<void> {
  const isGone = (): true | null => (child.exitCode !== null || child.signalCode !== null ? true : null);
  child.kill('SIGTERM');
  if ((await waitFor(isGone, deadlineMs)) !== null) return;
  child.kill('SIGKILL');
  await waitFor(isGone, deadlineMs);
}
