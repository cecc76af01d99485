// SPDX-License-Identifier: Apache-2.0
/**
 * The command line: what is common to all commands, and how parsing ends. The commands themselves are in commands/.
 * Nothing here ends the process.
 *
 * What only some commands need is loaded by those: the configuration's schema and parser, the addon and the logger
 * would cost each call more than all else.
 */
import { Command, CommanderError } from 'commander';

import { exitCodes } from '../errors.js';
import { defaultSocket } from './ask.js';
import { commands } from './commands/index.js';
import { endedBy } from './ended-by.js';
import { Io, type Streams } from './io.js';
import { Session } from './session.js';
import { splitAtIpvsadm } from './split-at-ipvsadm.js';
import { version } from './version.js';

/** Runs one command line and says how it ended. Never throws, never ends the process. */
export async function runCli(argv: readonly string[], streams: Streams): Promise<number> {
  const io = new Io(streams);
  const { own, ipvsadm } = splitAtIpvsadm(argv);
  const { program, session } = buildProgram(io, ipvsadm);
  try {
    await program.parseAsync(own, { from: 'user' });
    return session.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return endOfParsing(error, program, io);
    return endedBy(error, io, session.asked);
  }
}

/** The whole command line, as the help, completion and the man page are made from it, too. */
export function buildProgram(
  io: Io,
  ipvsadmArguments: readonly string[] = [],
): { readonly program: Command; readonly session: Session } {
  const program = new Command('vsnat');
  const session = new Session(program, io, ipvsadmArguments);
  program
    .description('LVS NAT mode (VS/NAT) in userspace: a layer-4 load balancer that needs no kernel module')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .option(
      '--socket <path>',
      `the daemon: its admin socket, or http(s)://host:port (VSNAT_SOCKET; default ${defaultSocket})`,
    )
    .option('--token-file <file>', 'with a URL as --socket: the bearer token (VSNAT_TOKEN_FILE)')
    .option('--ca <file>', 'authority of the daemon’s certificate, PEM (VSNAT_CA)')
    .option('--cert <file>', 'own certificate, PEM (VSNAT_CERT)')
    .option('--key <file>', 'key of --cert, PEM (VSNAT_KEY)')
    .option('--json', 'answer in JSON')
    .option('--no-color', 'no colours (NO_COLOR)')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: () => undefined, // endOfParsing() says it
    })
    .hook('preAction', () => {
      io.plain = !session.colored;
    });
  for (const register of commands) register(program, session);
  return { program, session };
}

/** commander says how parsing ended by throwing: help and version are results, all else is a usage error. */
function endOfParsing(error: CommanderError, program: Command, io: Io): number {
  if (error.exitCode === 0) return exitCodes.ok;
  if (error.code === 'commander.help') {
    io.complain(program.helpInformation().trimEnd());
    return exitCodes.usage;
  }
  const problem = error.message
    .replace(/^error: /, '')
    .replace(/\.+$/, '')
    .replaceAll('\n', ' ');
  io.complain(`vsnat: ${problem}; see \`vsnat --help\``);
  return exitCodes.usage;
}
