// SPDX-License-Identifier: Apache-2.0
import { oneOf } from '../arguments.js';
import type { Register } from '../session.js';
import { eventKinds } from '../../director/events.js';

interface EventOptions {
  readonly follow?: boolean;
  readonly kind?: string;
  readonly service?: string;
  readonly server?: string;
}

export const events: Register = (program, session) =>
  void program
    .command('events')
    .description('what happened: health, drains, changes, reloads; the last thousand')
    .option('-f, --follow', 'and what happens from now on, until stopped')
    .option('--kind <kind>', eventKinds.join(', '), oneOf(eventKinds))
    .option('--service <name>', 'only of this service')
    .option('--server <address:port>', 'only of this real server')
    .action(async ({ follow = false, ...filters }: EventOptions) => {
      const { showEvents } = await import('../show-events.js');
      await showEvents({ follow, filters, json: session.json, peer: session.peer }, session.io);
    });
