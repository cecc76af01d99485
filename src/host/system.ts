// SPDX-License-Identifier: Apache-2.0
/**
 * The host as src/host sees it: programs to run, files of /proc and /sys to read and write. Everything that touches
 * the machine goes through this interface, so that plans and their undoing are tested without root on a fake.
 */
import { spawn } from 'node:child_process';
import { readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';

import type { ChangeSubject } from '../dataplane/host-changes.js';
import { loadAddon } from '../dataplane/native.js';
import type { Notices } from './notices.js';
import { protocolNumber } from './ownership.js';

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface System {
  /** Run a program to its end. A program that does not exist has status 127. */
  run(argv: readonly string[], stdin?: string): Promise<CommandResult>;
  /** Start a program that goes on by itself and hear every line it prints. Returns how to stop it. */
  follow(argv: readonly string[], heard: (line: string) => void, ended: () => void): () => void;
  /** Says that something of these has changed; null where the kernel tells nobody, or not us. */
  notices(subjects: readonly ChangeSubject[], heard: () => void): Notices | null;
  /** The text of a file, or null when it is missing or closed to us. */
  read(path: string): Promise<string | null>;
  write(path: string, text: string): Promise<void>;
  /** Names in a directory; empty when it is missing. */
  list(path: string): Promise<readonly string[]>;
  /** Where a symbolic link points, or null. */
  link(path: string): Promise<string | null>;
}

/** Long enough for a batch of 100,000 routes, short enough that a stuck tool is noticed. */
const commandTimeoutMs = 30_000;

/** A service manager's PATH often lacks the sbin folders, where ip and nft live. */
const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`,
  LC_ALL: 'C',
});

/** Ends the program when its stdin closes: then the process that listened is gone, be it by `kill -9`. */
const untilStdinCloses = '"$@" & exec >&-; read -r _; kill $!; wait';

export const realSystem: System = {
  run: (argv, stdin = '') =>
    new Promise((resolve) => {
      const [program = '', ...args] = argv;
      const child = spawn(program, args, {
        env: environment(),
        detached: true, // Ctrl-C goes to the whole process group, and must not cut an undo in half
      });
      // Not spawn's own timeout: that one outlives a program that does not exist, and the process with it.
      const timer = setTimeout(() => child.kill(), commandTimeoutMs);
      const finish = (result: CommandResult): void => {
        clearTimeout(timer);
        resolve(result);
      };
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      child.stdin.on('error', () => undefined); // a program that stops reading early reports why on stderr
      child.on('error', (error: NodeJS.ErrnoException) =>
        finish({ status: error.code === 'ENOENT' ? 127 : 126, stdout, stderr: error.message }),
      );
      child.on('close', (status, signal) =>
        finish({
          status: status ?? 128,
          stdout,
          stderr: signal === null ? stderr : `${stderr}ended by ${signal}`,
        }),
      );
      child.stdin.end(stdin);
    }),
  follow: (argv, heard, ended) => {
    const child = spawn('sh', ['-c', untilStdinCloses, 'sh', ...argv], {
      env: environment(),
      stdio: ['pipe', 'pipe', 'ignore'],
      detached: true,
    });
    child.unref(); // whoever forgets to stop it must still be able to end
    for (const stream of [child.stdin, child.stdout]) if (stream instanceof Socket) stream.unref();
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      child.stdin.destroy();
      ended();
    };
    child.on('error', end);
    child.stdin.on('error', end);
    createInterface({ input: child.stdout }).on('line', heard).on('close', end);
    return () => {
      isOver = true;
      child.stdin.destroy();
    };
  },
  notices: (subjects, heard) => {
    try {
      const { HostChanges } = loadAddon();
      return HostChanges === undefined ? null : new HostChanges(subjects, protocolNumber, heard);
    } catch {
      return null;
    }
  },
  read: (path) => readFile(path, 'utf8').catch(() => null),
  write: (path, text) => writeFile(path, text),
  list: (path) => readdir(path).catch(() => []),
  link: (path) => readlink(path).catch(() => null),
};
