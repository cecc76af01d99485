// SPDX-License-Identifier: Apache-2.0
/** What every command works with: where it speaks, how it was asked to speak, and which daemon it asks. */
import type { Command } from 'commander';

import { askedBy, credentialsOf, peerOf, type Credentials, type Peer } from '../admin/peer.js';
import { exitCodes } from '../errors.js';
import { askDaemon, defaultSocket, removeAtDaemon, tellDaemon } from './ask.js';
import type { Io } from './io.js';

interface Globals {
  readonly socket?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly json?: true;
  readonly color: boolean;
}

/** Puts one command, with its options and its action, under the program. */
export type Register = (program: Command, session: Session) => void;

export class Session {
  readonly #program: Command;
  #exitCode: number = exitCodes.ok;
  #asked: Peer | null = null;

  constructor(
    program: Command,
    readonly io: Io,
    /** What followed the word `ipvsadm`. */
    readonly ipvsadmArguments: readonly string[],
  ) {
    this.#program = program;
  }

  get json(): boolean {
    return this.#program.opts<Globals>().json === true;
  }

  get colored(): boolean {
    return this.#program.opts<Globals>().color;
  }

  /** As the command line or the environment names it. */
  get givenSocket(): string | undefined {
    return this.#program.opts<Globals>().socket ?? (this.io.env['VSNAT_SOCKET'] || undefined);
  }

  get socket(): string {
    return this.givenSocket ?? defaultSocket;
  }

  /** As the command says. */
  end(exitCode: number): void {
    this.#exitCode = exitCode;
  }

  get exitCode(): number {
    return this.#exitCode;
  }

  /** The daemon, with what the command line or else the environment says to prove who one is. */
  get peer(): Peer {
    const { token, ...named } = credentialsOf(this.io.env);
    const { tokenFile, ca, cert, key } = this.#program.opts<Globals>();
    const given: Credentials = {
      // A token itself is only in the environment: arguments are everybody's to read. A file that is named outvotes it.
      ...(token !== undefined && tokenFile === undefined && { token }),
      ...named,
      ...(tokenFile !== undefined && { tokenFile }),
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { certificate: cert }),
      ...(key !== undefined && { key }),
    };
    return (this.#asked = askedBy(peerOf(this.socket, given), 'cli'));
  }

  /** The daemon, if the command has turned to it. */
  get asked(): Peer | null {
    return this.#asked;
  }

  ask<T>(path: string, signal?: AbortSignal): Promise<T> {
    return askDaemon<T>(this.peer, path, signal);
  }

  tell<T>(path: string, body?: unknown): Promise<T> {
    return tellDaemon<T>(this.peer, path, body);
  }

  remove<T>(path: string): Promise<T> {
    return removeAtDaemon<T>(this.peer, path);
  }
}
