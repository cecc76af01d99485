// SPDX-License-Identifier: Apache-2.0
import type { SimulateCommand } from '../simulate.js';
import type { Register } from '../session.js';

export const simulate: Register = (program, session) =>
  void program
    .command('simulate')
    .description('send a trace of clients through schedulers in memory, before they go live')
    .requiredOption('-c, --config <file>', 'configuration')
    .requiredOption('--service <name>', 'its virtual service')
    .option('--scheduler <name...>', 'names to compare with the one of the configuration')
    .option(
      '--trace <file>',
      'lines of time,client,duration in seconds, or a capture (pcap, pcapng); drawn from the seed when left out',
    )
    .option('--seed <number>', 'of the trace that is drawn', '1')
    .option('--remove <server>', 'take this server out in the middle of the trace')
    .option(
      '--slow <server=ms>',
      'this server answers a handshake after so many milliseconds, the others after 1',
    )
    .action(async (options: SimulateCommand) => {
      const { runSimulate } = await import('../simulate.js');
      session.end(await runSimulate(options, session.json, session.io));
    });
