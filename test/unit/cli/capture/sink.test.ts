// SPDX-License-Identifier: Apache-2.0
/** Files that take a capture, and those that do not. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { fileSink } from '../../../../src/cli/capture/sink.js';
import { exitCodeFor } from '../../../../src/errors.js';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'vsnat-sink-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('a file', () => {
  it('holds what was written, and is for its maker alone', async () => {
    const file = join(directory, 'a.pcapng');
    const onFailed = vi.fn();
    const sink = await fileSink(file, onFailed);
    expect([sink.write(Buffer.from('one ')), sink.write(Buffer.from('two'))]).toEqual([true, true]);
    await sink.close();
    expect(readFileSync(file, 'utf8')).toBe('one two');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(onFailed).not.toHaveBeenCalled();
  });

  it('that cannot be made is a mistake of the command line', async () => {
    await expect(fileSink(directory, vi.fn())).rejects.toMatchObject({
      code: 'VSNAT_USAGE',
      message: `capture: ${directory} must be a file that can be written, got EISDIR`,
    });
  });

  it('on a full disk says so at once, takes no more, and is a failure', async () => {
    const onFailed = vi.fn();
    const sink = await fileSink('/dev/full', onFailed);
    expect(sink.write(Buffer.from('lost'))).toBe(true);
    await vi.waitFor(() => expect(onFailed).toHaveBeenCalled());
    expect(sink.write(Buffer.from('more'))).toBe(false);
    const refusal: unknown = await sink.close().catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      code: 'VSNAT_OUTPUT',
      message: 'capture: /dev/full must take what is captured, got ENOSPC',
    });
    expect(exitCodeFor(refusal)).toBe(1);
  });
});
