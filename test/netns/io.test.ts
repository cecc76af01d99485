// SPDX-License-Identifier: Apache-2.0
/** How packets cross the device: by io_uring or by read and write; the same packets come out. */
import { afterEach, describe, expect, test } from 'vitest';
import { Installation } from './support/daemon.js';
import { at, families, vip } from './support/lab.js';
import type { Background } from './support/process.js';
import { suite, useLab } from './support/suite.js';
import { until } from './support/until.js';

const bytes = 2 ** 26;
const crossing = { uring: /packets cross by io_uring$/m, poll: /packets cross by read and write$/m } as const;

suite('The way across the device', () => {
  for (const io of ['uring', 'poll'] as const) {
    for (const way of ['route', 'direct'] as const) {
      describe(`io: ${io}, ways in and out: ${way}`, () => {
        const lab = useLab({ config: { tun: { io, ingress: way, egress: way, queues: 2 } } });

        test('is what status says', async () => {
          expect((await lab().daemon.installation.vsnat('status')).stdout).toMatch(crossing[io]);
        });

        test.each(families)(
          'streams of %s arrive byte for byte, both ways at once',
          async (family) => {
            const to = at(vip[family], vip.stream);
            const result = await lab().load('stream', {
              to,
              bytes,
              streams: 4,
              direction: 'both',
              seconds: 60,
            });
            expect(result).toMatchObject({
              failed: 0,
              badBytes: 0,
              bytesUp: 4 * bytes,
              bytesDown: 4 * bytes,
            });
          },
          90_000,
        );

        test('datagrams of a hundred sources come back whole', async () => {
          const to = at(vip.v4, vip.udp);
          const result = await lab().load('udp', { to, sources: 100, datagrams: 100, seconds: 30 });
          expect(result).toMatchObject({ received: 10_000, corrupted: 0, duplicated: 0 });
        });

        test('two thousand connections, and the books agree', async () => {
          const to = at(vip.v4, vip.http);
          const result = await lab().load('http', {
            to,
            mode: 'connect',
            requests: 2000,
            connections: 16,
            seconds: 30,
          });
          expect(result).toMatchObject({ answered: 2000, failed: 0 });
          await lab().daemon.assertConservation();
        });
      });
    }
  }

  describe('where the kernel refuses io_uring', () => {
    const lab = useLab({});
    let daemon: Background | undefined;
    let installation: Installation | undefined;
    afterEach(async () => {
      await daemon?.stop();
      await installation?.remove();
    });
    const start = async (io: string): Promise<Background> => {
      const { namespace } = lab().topology.director;
      installation = await Installation.create(namespace);
      await installation.write({
        tun: { name: 'other0', io },
        metrics: { listen: '127.0.0.1:9195' },
        services: [{ name: 'a', listen: 'tcp://10.9.0.77:80', servers: ['10.2.1.2:8080'] }],
      });
      const wrapped = ['python3', 'test/netns/support/without_io_uring.py', process.execPath, 'bin/vsnat'];
      daemon = namespace.spawn([...wrapped, 'run', '-c', installation.configFile]);
      return daemon;
    };

    test('`auto` reads and writes, and status says why', async () => {
      const program = await start('auto');
      await program.waitForOutput(/ ready /);
      await until('status', async () => {
        const { stdout } = (await installation?.vsnat('status')) ?? { stdout: '' };
        return /packets cross by read and write: io_uring_setup: Operation not permitted/.test(stdout);
      });
    });

    test('`uring` does not start, and says what to do', async () => {
      const { code, stderr } = await (await start('uring')).finish();
      expect(stderr).toMatch(/tun\.io: .*auto.*: io_uring_setup: Operation not permitted/);
      expect(code).toBe(4);
    });
  });
});
