// SPDX-License-Identifier: Apache-2.0
/**
 * Files: the configuration itself and what it names. Read at once and whole, because a reload must not see half of two
 * versions; and bounded, because a path may lead anywhere.
 */
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readSync,
  statSync,
  type Stats,
} from 'node:fs';
import { good, mistake, type Good, type Parsed } from '../model/parsed.js';

/** What of the machine's files a configuration may ask for. */
export interface Files {
  /** The text of a small file; a complaint continues "must". */
  readonly read: (path: string) => Parsed<string>;
  /** Whether this is a file, and one that may be executed. */
  readonly check: (path: string, need: 'file' | 'program') => Parsed<true>;
}

/** Certificates and the like. */
const largestNamed = 2 ** 20;

export const filesOnDisk: Files = {
  read: (path) => {
    const text = readText(path, largestNamed);
    return text.ok ? text : mistake('be a file that can be read', `${path}: ${text.got}`);
  },
  check: (path, need) => {
    try {
      if (!statSync(path).isFile()) return mistake('be a file', `${path} is none`);
      accessSync(path, need === 'program' ? constants.X_OK : constants.R_OK);
      return good(true);
    } catch (error) {
      const must = need === 'program' ? 'be a program that can be executed' : 'be a file that can be read';
      return mistake(must, `${path}: ${codeOf(error)}`);
    }
  },
};

/** For a model that runs: whatever it names was there when it was loaded. */
export const filesThere: Files = { read: () => good(''), check: () => good(true) };

export interface Unreadable {
  readonly ok: false;
  /** "a directory", "ENOENT" */
  readonly got: string;
  readonly hint: string;
  readonly cause?: unknown;
}

export function readText(path: string, largest: number): Good<string> | Unreadable {
  const unreadable = (got: string, hint: string, cause?: unknown): Unreadable => ({
    ok: false,
    got,
    hint,
    cause,
  });
  let bytes: Buffer;
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer: for ever, and the whole daemon with it.
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = fstatSync(descriptor);
      if (!stats.isFile())
        return unreadable(kindOf(stats), 'a configuration is a regular file: save it as one and name that');
      bytes = readAtMost(descriptor, largest + 1);
      if (bytes.length > largest)
        return unreadable(
          `more than ${largest} bytes`,
          'check the path, or share the services among several directors',
        );
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    const code = codeOf(error);
    return unreadable(
      code,
      code === 'ENOENT' ? 'check the path' : 'check that it is a file this user may read',
      error,
    );
  }
  try {
    return good(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    return unreadable('bytes that are no UTF-8', 'save it as UTF-8', error);
  }
}

export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

/** To the end, whatever the size says: files in /proc have none, and one being written grows. */
function readAtMost(descriptor: number, limit: number): Buffer {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length < limit) {
    const chunk = Buffer.alloc(Math.min(65_536, limit - length));
    const got = readSync(descriptor, chunk);
    if (got === 0) break;
    chunks.push(chunk.subarray(0, got));
    length += got;
  }
  return Buffer.concat(chunks);
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory';
  if (stats.isFIFO()) return 'a pipe';
  if (stats.isSocket()) return 'a socket';
  return 'a device';
}
