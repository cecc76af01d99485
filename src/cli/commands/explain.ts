// SPDX-License-Identifier: Apache-2.0
import type { Register } from '../session.js';

export const explain: Register = (program, session) =>
  void program
    .command('explain')
    .description('what becomes of a packet, and why: which service, which server, what is counted')
    .usage('[options] PROTOCOL CLIENT:PORT VIP:PORT')
    .argument('[words...]', 'tcp 192.0.2.7:40000 10.9.0.1:80')
    .option('-c, --config <file>', 'by this configuration; else by the running daemon')
    .option('--pcap <file>', 'for every packet of a capture')
    .action(async (words: readonly string[], options: { config?: string; pcap?: string }) => {
      const { explainCommand } = await import('../explain.js');
      const { json, io } = session;
      session.end(await explainCommand({ words, ...options, json, ask: session.ask.bind(session) }, io));
    });
