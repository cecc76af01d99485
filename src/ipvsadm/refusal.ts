// SPDX-License-Identifier: Apache-2.0
/** How ipvsadm says no: the text on stderr, as it stands there, and the exit code. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  constructor(
    readonly exitCode: number,
    message: string,
    /** Whether it also ends a restore; after a line that cannot be read at all, ipvsadm goes on with the next. */
    readonly isFinal = true,
  ) {
    super(message);
  }
}

/** A command line that makes no sense. */
export const misuse = (message: string): Refusal => new Refusal(2, message);

/** What ipvsadm ends with when the kernel refuses, and for words it cannot read at all: -1, as the shell shows it. */
export const minusOne = 255;

export const seeHelp = (): Refusal =>
  new Refusal(minusOne, "Try `ipvsadm -h' or 'ipvsadm --help' for more information.");
