// SPDX-License-Identifier: Apache-2.0
/**
 * Other programs change the director's host under a running daemon, the way administrators and network managers do.
 * The daemon is told nothing; traffic has to come back by itself, and the log has to say why it was away.
 */
import { expect, test } from 'vitest';
import { at, families, vip } from './support/lab.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

/** One look of the watch, its repair, and what a busy machine adds. */
const healMs = 30_000;

suite('what others remove from the host', () => {
  // On the client's link, so that proxy neighbours are part of it.
  const vips = { v4: '10.1.1.100', v6: 'fd00:1:1::100' };
  const lab = useLab({ vips, servers: 1 });

  const isServed = async (): Promise<boolean> => {
    for (const family of families) {
      const result = await lab().load('http', {
        to: at(vips[family], vip.http),
        mode: 'connect',
        requests: 2,
        seconds: 2,
      });
      if (result.answered !== 2) return false;
    }
    return true;
  };

  const director = (): ReturnType<typeof lab>['topology']['director']['namespace'] =>
    lab().topology.director.namespace;
  const linkFlap = async (device: string): Promise<void> => {
    await director().ip([`link set dev ${device} down`, `link set dev ${device} up`]);
  };

  const harms = [
    ['nft flush ruleset', () => director().must(['nft', 'flush', 'ruleset']), /nft table vsnat_vsnat0/],
    ['the TUN device down and up', () => linkFlap('vsnat0'), /table4 \d+.*route 10\.1\.1\.100/],
    [
      'the client interface down and up',
      async () => {
        await linkFlap('cli');
        // The kernel takes an IPv6 address away with its link; who takes the link down puts it back.
        await director().ip(['addr replace fd00:1:1::1/64 dev cli nodad']);
      },
      /proxy 10\.1\.1\.100 cli/,
    ],
    [
      'every rule of ours removed',
      () =>
        director().must([
          'sh',
          '-c',
          'for f in -4 -6; do while ip $f rule del protocol 118 2>/dev/null; do :; done; done',
        ]),
      /rule4 pref 118 fwmark/,
    ],
  ] as const;

  for (const [name, harm, said] of harms)
    test(`${name}: traffic is served again and the log says what was put back`, async () => {
      expect(await isServed()).toBe(true);
      const logged = lab().log.length;
      await harm();
      const put = await until(
        'the watch to put it back',
        () => /changed by somebody else: put back (.*)/.exec(lab().log.slice(logged))?.[1],
        { timeoutMs: healMs, everyMs: 100 },
      );
      expect(put).toMatch(said);
      await until('traffic', isServed, { timeoutMs: healMs });
      expect(await lab().daemon.fetch('/readyz')).toBe('ok\n');
    });

  test('a reload of the same file puts everything back at once', async () => {
    await director().must(['nft', 'flush', 'ruleset']);
    await lab().daemon.reload(lab().config);
    expect(await director().must(['nft', 'list', 'tables'])).toContain('vsnat_vsnat0');
    expect(await isServed()).toBe(true);
  });

  test('a VIP that becomes an address of the host is diverted at once, and served on', async () => {
    await director().ip(['addr add 10.1.1.100/32 dev lo', 'addr add fd00:1:1::100/128 dev lo nodad']);
    const rules = async (): Promise<string> =>
      (await director().must(['ip', '-4', 'rule'])) + (await director().must(['ip', '-6', 'rule']));
    // The look of every few seconds would take longer.
    await until('its rules', async () => /to 10\.1\.1\.100 .*to fd00:1:1::100 /s.test(await rules()), {
      timeoutMs: 4_500,
    });
    expect(await isServed()).toBe(true);
    await director().ip(['addr del 10.1.1.100/32 dev lo', 'addr del fd00:1:1::100/128 dev lo']);
    await lab().daemon.reload(lab().config);
    expect(await rules()).not.toMatch(/to (10|fd00)/);
    expect(await isServed()).toBe(true);
  });

  test('what cannot be put back makes the daemon not ready, until the way is free', async () => {
    await director().ip(['route del 10.1.1.100/32 dev vsnat0', 'route add 10.1.1.100/32 dev srv1']);
    const { namespace } = lab().daemon.installation;
    const readyz = async (): Promise<string> =>
      (await namespace.run(['curl', '-s', 'http://127.0.0.1:9191/readyz'])).stdout;
    await until('not ready', async () => (await readyz()).includes('route 10.1.1.100 cannot be put back'), {
      timeoutMs: healMs,
    });
    await director().ip(['route del 10.1.1.100/32 dev srv1']);
    await until('ready', async () => (await readyz()) === 'ok\n', { timeoutMs: healMs });
    expect(await isServed()).toBe(true);
  });
});
