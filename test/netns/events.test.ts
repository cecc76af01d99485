// SPDX-License-Identifier: Apache-2.0
/** What happens to servers and to the host is heard at once: over the API's stream, and by `vsnat events`. */
import { expect, test } from 'vitest';
import { EventParser } from '../../src/admin/sse.js';
import type { DirectorEvent } from '../../src/director/events.js';
import { at } from './support/lab.js';
import { ports } from './support/load.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

const timing = { interval: '500ms', fast_interval: '200ms', timeout: '500ms', rise: 2, fall: 2 };

suite('events', () => {
  const lab = useLab({ servers: 2, config: { health: { type: 'tcp', ...timing } } });
  const director = () => lab().topology.director.namespace;
  /** The kernel of a server refuses what comes to this port, as where nobody listens. */
  const refuse =
    `add table inet closed; add chain inet closed in { type filter hook input priority 0; }; ` +
    `add rule inet closed in tcp dport ${ports.http} reject with tcp reset`;

  test('of a server’s health and of the host come to all who listen', async () => {
    const { installation } = lab().daemon;
    const server = at(lab().server(1).ipv4, ports.http);
    await until('the server to be up', async () => {
      const metrics = await lab().daemon.metrics();
      return metrics.sum('vsnat_server_up', { service: 'http-v4', server }) === 1;
    });
    const stream = director().spawn([
      ...['curl', '-sN', '--unix-socket', installation.socket, 'http://vsnat/v1/events'],
    ]);
    const listener = installation.spawn('events', '--follow', '--json');
    const hosts = director().spawn([
      ...['curl', '-sN', '--unix-socket', installation.socket, 'http://vsnat/v1/events?kind=host'],
    ]);
    try {
      await until('all three to listen', async () => {
        return (await lab().daemon.metrics()).sum('vsnat_admin_event_streams') === 3;
      });
      await lab().server(1).namespace.must(['nft', refuse]);
      await director().must(['nft', 'flush', 'ruleset']);

      const streamed = (from: { readonly output: string }): readonly DirectorEvent[] =>
        new EventParser().push(from.output).map(({ event, data }) => {
          const one = JSON.parse(data) as DirectorEvent;
          expect(one.kind).toBe(event);
          return one;
        });
      const isDown = (one: DirectorEvent): boolean =>
        one.kind === 'health' && one.service === 'http-v4' && one.server === server && /down/.test(one.text);
      const isHost = (one: DirectorEvent): boolean =>
        one.kind === 'host' && /changed by somebody else: put back/.test(one.text);
      await until(
        'the stream to tell both',
        () => streamed(stream).some(isDown) && streamed(stream).some(isHost),
        {
          timeoutMs: 30_000,
        },
      );
      const lines = (): readonly DirectorEvent[] =>
        listener.output
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line) as DirectorEvent);
      await until('the command to tell both', () => lines().some(isDown) && lines().some(isHost));
      await until('who asked for the host alone to hear of it', () => streamed(hosts).some(isHost));
      expect(streamed(hosts).every(({ kind }) => kind === 'host')).toBe(true);
    } finally {
      for (const one of [stream, listener, hosts]) await one.stop('SIGKILL');
      await lab().server(1).namespace.run(['nft', 'delete', 'table', 'inet', 'closed']);
    }
  }, 90_000);
});
