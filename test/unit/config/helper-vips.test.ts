// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from 'vitest';
import { ConfigError, parseConfig, type ConfigOptions } from '../../../src/config/index.js';

const service = (listen: string, helper = 'ftp', server = '10.2.1.2:21'): string =>
  `services:\n  - name: ftp\n    listen: ${listen}\n    helper: ${helper}\n    servers: [${server}]\n`;

const onLink = [{ prefix: '10.2.1.0/24', interface: 'eth1' }];
const host = { prefixes: onLink, addresses: ['10.9.0.1', '10.2.1.1'] };

function mistakes(text: string, options: ConfigOptions = {}): readonly string[] {
  try {
    parseConfig(text, { ...options, file: 'f' });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split('\n');
  }
}

describe('helper', () => {
  test('is none unless it is asked for', () => {
    const text = service('tcp://10.9.0.1:21').replace('    helper: ftp\n', '');
    expect(parseConfig(text).model.services[0]?.helper).toBe('none');
    expect(parseConfig(service('tcp://10.9.0.1:21')).model.services[0]?.helper).toBe('ftp');
  });

  test('must be one that exists', () => {
    expect(mistakes(service('tcp://10.9.0.1:21', 'sip'))[0]).toContain('must be one of none, ftp, got "sip"');
  });

  test('ftp is for TCP, and leaves room for the data port below', () => {
    expect(mistakes(service('udp://10.9.0.1:21')).join('\n')).toContain(
      'must start with tcp:// with helper: ftp, got "udp://10.9.0.1:21"; make a service of its own for UDP',
    );
    expect(mistakes(service('tcp://10.9.0.1:1', 'ftp', '10.2.1.2:1'))).toHaveLength(2);
    expect(mistakes(service('tcp://10.9.0.1:1', 'none', '10.2.1.2:1'))).toEqual([]);
  });

  test("ftp on an address of this host's own is refused, for its data ports could not be diverted", () => {
    const text = service('tcp://10.9.0.1:21');
    expect(mistakes(text, { host }).join('\n')).toContain(
      'must be on no address of this host with helper: ftp, got "tcp://10.9.0.1:21"; passive data connections',
    );
    expect(mistakes(service('tcp://10.9.0.2:21'), { host })).toEqual([]);
    expect(mistakes(service('tcp://10.9.0.1:21', 'none'), { host })).toEqual([]);
    expect(mistakes(text, { host: { prefixes: onLink } })).toEqual([]);
  });

  test('a service that runs already is only told about when its VIP becomes an address of this host', () => {
    const text = service('tcp://10.9.0.1:21');
    const { notes } = parseConfig(text, { host, running: parseConfig(text).model });
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/must be on no address of this host .*accepted: it is configured already/);
    const plain = parseConfig(service('tcp://10.9.0.1:21', 'none')).model;
    expect(mistakes(text, { host, running: plain })).not.toEqual([]);
  });
});
