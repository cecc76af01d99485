// SPDX-License-Identifier: Apache-2.0
import { InvalidArgumentError, Option } from 'commander';

import { VsnatError } from '../../errors.js';
import { oneOf, positiveNumber, wait } from '../arguments.js';
import type { Register } from '../session.js';

interface CaptureWords {
  readonly write?: string;
  readonly count?: number;
  readonly for?: number;
  readonly snaplen: number;
  readonly service?: string;
  readonly protocol?: string;
  readonly client?: string;
  readonly vip?: string;
  readonly server?: string;
}

/** Below, no ICMP error could be told: two IPv6 headers, and what stands behind each. */
const leastSnaplen = 128;
const mostSnaplen = 262_144;

function snapLength(text: string): number {
  const bytes = positiveNumber(text);
  if (bytes < leastSnaplen || bytes > mostSnaplen)
    throw new InvalidArgumentError(`must be ${leastSnaplen}..${mostSnaplen}.`);
  return bytes;
}

export const capture: Register = (program, session) =>
  void program
    .command('capture')
    .description('packets of connections, on both sides of the translation: as lines, or as pcapng with -w')
    .option('-w, --write <file>', 'pcapng to this file, or - for stdout')
    .option('-c, --count <n>', 'end after so many packets', positiveNumber)
    .option('--for <duration>', 'end after so long', wait)
    .addOption(
      new Option('-s, --snaplen <bytes>', 'keep no more of a packet')
        .argParser(snapLength)
        .default(mostSnaplen, 'all of it'),
    )
    .option('--service <name>', 'only of this service')
    .option('--protocol <name>', 'tcp, udp, sctp or icmp', oneOf(['tcp', 'udp', 'sctp', 'icmp']))
    .option('--client <address>', 'only of this client; an address, or address:port')
    .option('--vip <address>', 'only to this VIP; an address, or address:port')
    .option('--server <address>', 'only to this real server; an address, or address:port')
    .action(async ({ write, count, for: forMs, snaplen, ...filters }: CaptureWords) => {
      const { io, json } = session;
      if (write === '-' && io.isTerminal)
        throw new VsnatError(
          'VSNAT_USAGE',
          'capture: stdout must not be a terminal with -w -; pipe it: vsnat capture -w - | tcpdump -nr -',
        );
      const [{ capture }, { fileSink, stdoutSink }] = await Promise.all([
        import('../capture/capture.js'),
        import('../capture/sink.js'),
      ]);
      await capture(
        {
          filters,
          count: count ?? Number.POSITIVE_INFINITY,
          forMs: forMs ?? null,
          snaplen,
          sink:
            write === undefined
              ? null
              : (onFailed) => (write === '-' ? stdoutSink(process.stdout) : fileSink(write, onFailed)),
          json,
          ask: session.ask.bind(session),
        },
        io,
      );
    });
