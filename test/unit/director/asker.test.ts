// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { daemonsOwn, parseAsker } from '../../../src/director/asker.js';

describe('who asks', () => {
  it.each(['cli', 'ipvsadm', 'api', 'deployer@ci', 'a', 'Ansible_2.9-x', 'x'.repeat(32)])(
    'may be %s',
    (name) => {
      expect(parseAsker(name)).toEqual({ ok: true, value: name });
    },
  );

  it.each(['', ' cli', 'a b', 'x'.repeat(33), '-x', 'é', 'a\n', '\u001b[1m'])('is no name: %j', (name) => {
    expect(parseAsker(name)).toMatchObject({
      ok: false,
      must: 'be a name of 1..32 letters, digits and . _ @ -',
    });
  });

  it.each([...daemonsOwn, 'SIGHUP'])('cannot be the daemon itself: %s', (name) => {
    expect(parseAsker(name)).toMatchObject({ ok: false, must: 'differ from sighup, file, health' });
  });

  it('is at most 32 plain characters, whatever was sent', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const asker = parseAsker(text);
        return !asker.ok || /^[\w.@-]{1,32}$/.test(asker.value);
      }),
    );
  });
});
