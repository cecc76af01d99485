// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';

import { hidden, redacted } from '../../../src/admin/redact.js';
import { documentOf } from '../../../src/config/index.js';
import { modelWith, web } from '../director/models.js';

describe('a configuration for other eyes', () => {
  it('has no keys, passwords or headers that prove who a check is, and all the rest', () => {
    const pem = '-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----\n';
    expect(
      redacted({
        name: 'web',
        tls: { certificate: 'c.pem', key: pem, ca: null },
        headers: { Authorization: 'Basic abc', Cookie: 'a=b', 'X-Api-Key': 'k', Accept: 'text/html' },
        command: ['check', pem],
        options: { password: 'p', db_password: 'q', keys: ['a'], persistence: { timeout: 5 } },
      }),
    ).toEqual({
      name: 'web',
      tls: { certificate: 'c.pem', key: hidden, ca: null },
      headers: { Authorization: hidden, Cookie: hidden, 'X-Api-Key': hidden, Accept: 'text/html' },
      command: ['check', hidden],
      options: { password: hidden, db_password: hidden, keys: ['a'], persistence: { timeout: 5 } },
    });
  });

  it('is the whole configuration where there is no secret', () => {
    const document = { ...documentOf(modelWith(web('a b'))) };
    expect(redacted(document)).toEqual(document);
  });

  it('names the files of the token and the key', () => {
    const { admin, ...rest } = modelWith();
    const tls = { certificate: '/etc/vsnat/admin.pem', key: '/etc/vsnat/admin.key', clientCa: null };
    const model = { ...rest, admin: { ...admin, tokenFile: '/etc/vsnat/token', tls } };
    expect(redacted({ ...documentOf(model) })).toMatchObject({
      admin: { token_file: '/etc/vsnat/token', tls: { key: '/etc/vsnat/admin.key' } },
    });
  });
});
