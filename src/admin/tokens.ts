// SPDX-License-Identifier: Apache-2.0
/**
 * Bearer tokens (RFC 6750) from a file: one a line, so that a new one can be added before the old one goes. Only digests are
 * kept; they are compared in constant time, all of them every time, so that an answer's time tells nothing.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { constants, open } from 'node:fs/promises';

import { VsnatError } from '../errors.js';

const leastLength = 16;
const maxTokens = 16;
const maxFileBytes = 8 * 1024;

export type Digest = Buffer;

const digestOf = (text: string): Digest => createHash('sha256').update(text).digest();

/** Throws VSNAT_CONFIG_INVALID. The file must not be readable by everybody: whoever reads it administers the director. */
export async function readTokens(file: string): Promise<readonly Digest[]> {
  const text = await readPrivate('admin.token_file', file);
  const tokens = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  if (tokens.length === 0 || tokens.length > maxTokens)
    throw mistake(
      file,
      `hold 1 to ${maxTokens} tokens, one a line, got ${tokens.length}`,
      'make one: openssl rand -hex 32',
    );
  const bad = tokens.findIndex((token) => token.length < leastLength || !/^[A-Za-z0-9._~+/=-]+$/.test(token));
  if (bad >= 0)
    throw mistake(
      file,
      `hold tokens of at least ${leastLength} letters, digits and ._~+/=-, got another one as number ${bad + 1}`,
      'make one: openssl rand -hex 32',
    );
  return tokens.map(digestOf);
}

/** Of an Authorization header. Its own time depends on nothing but the header's length. */
export function isKnownToken(digests: readonly Digest[], authorization: string | undefined): boolean {
  const given = digestOf(/^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? '');
  // Bitwise: every digest is compared, whichever fits.
  return digests.reduce((found, digest) => found | Number(timingSafeEqual(given, digest)), 0) === 1;
}

/** A file that holds a secret: a regular one, short, and not for everybody's eyes. */
export async function readPrivate(key: string, file: string): Promise<string> {
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stats = await handle.stat();
      if (!stats.isFile()) throw mistake(file, 'be a regular file, got another kind', 'name one', key);
      const mode = stats.mode & 0o7777;
      if ((mode & 0o007) !== 0)
        throw mistake(
          file,
          `not be open to everybody, got mode 0${mode.toString(8)}`,
          `chmod o= ${file}`,
          key,
        );
      if (stats.size > maxFileBytes && key === 'admin.token_file')
        throw mistake(
          file,
          `be at most ${maxFileBytes} bytes, got ${stats.size}`,
          'name the file of tokens',
          key,
        );
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof VsnatError) throw cause;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
    throw mistake(
      file,
      `be a file the daemon may read, got ${code}`,
      'check the path and its permissions',
      key,
    );
  }
}

const mistake = (file: string, must: string, hint: string, key = 'admin.token_file'): VsnatError =>
  new VsnatError('VSNAT_CONFIG_INVALID', `${key}: ${file} must ${must}; ${hint}`);
