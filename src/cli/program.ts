// SPDX-License-Identifier: Apache-2.0
/**
 * The commands: what they are called, what they take, and which exit code they end with. Each action is a few lines
 * over a module that does the work; nothing here ends the process.
 *
 * What only some commands need is loaded by those: scripts call `ipvsadm` in loops, and the configuration's schema and
 * parser, the addon and the logger would cost each call more than all else.
 */
import { Command, CommanderError, InvalidArgumentError } from 'commander';

import type { ChangeAnswer, FlowsAnswer, ReloadAnswer, ServicesAnswer, StatusAnswer } from '../admin/api.js';
import { flowFilters } from '../admin/flow-query.js';
import { describeChange } from '../director/diff.js';
import { exitCodes } from '../errors.js';
import { askDaemon, defaultSocket, tellDaemon } from './ask.js';
import { completionScript, shells, type CommandWords } from './completion.js';
import { endedBy } from './ended-by.js';
import { Io, type Streams } from './io.js';
import { laterCommands } from './later.js';
import { serviceTexts, statusLines } from './show-status.js';
import { splitAtIpvsadm } from './split-at-ipvsadm.js';
import { version } from './version.js';

const defaultFlows = 1_000;

interface Globals {
  readonly socket?: string;
  readonly json?: true;
  readonly color: boolean;
}

/** Runs one command line and says how it ended. Never throws, never ends the process. */
export async function runCli(argv: readonly string[], streams: Streams): Promise<number> {
  const io = new Io(streams);
  let exitCode: number = exitCodes.ok;
  const { own, ipvsadm } = splitAtIpvsadm(argv);
  const program = buildProgram(io, (code) => (exitCode = code), ipvsadm);
  try {
    await program.parseAsync(own, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return endOfParsing(error, program, io);
    return endedBy(error, io);
  }
}

function buildProgram(
  io: Io,
  setExitCode: (code: number) => void,
  ipvsadmArguments: readonly string[],
): Command {
  const program = new Command('vsnat')
    .description('LVS NAT mode (VS/NAT) in userspace: a layer-4 load balancer that needs no kernel module')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .option('--socket <path>', `admin socket of the daemon (VSNAT_SOCKET; default ${defaultSocket})`)
    .option('--json', 'answer in JSON')
    .option('--no-color', 'no colours (NO_COLOR)')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: () => undefined, // endOfParsing() says it
    })
    .hook('preAction', (_, command) => {
      io.plain = !command.optsWithGlobals<Globals>().color;
    });

  const globals = (): Globals => program.opts<Globals>();
  const givenSocket = (): string | undefined => globals().socket ?? (io.env['VSNAT_SOCKET'] || undefined);
  const socket = (): string => givenSocket() ?? defaultSocket;

  program
    .command('run')
    .description('balance in the foreground until SIGTERM; SIGHUP reloads')
    .requiredOption('-c, --config <file>', 'configuration')
    .action(async ({ config }: { config: string }) => {
      const path = givenSocket();
      const options = path === undefined ? { configFile: config } : { configFile: config, socket: path };
      const [{ runDaemon }, { realParts }] = await Promise.all([import('./run.js'), import('./machine.js')]);
      setExitCode(await runDaemon(options, realParts(config)));
    });

  program
    .command('check')
    .description('find every mistake in a configuration; nothing is touched')
    .argument('[file]', 'configuration')
    .option('-c, --config <file>', 'the same')
    .action(async (file: string | undefined, { config }: { config?: string }) => {
      const { check } = await import('./check.js');
      setExitCode(await check(file ?? config, globals().json === true, io));
    });

  program
    .command('status')
    .description('how the daemon is')
    .action(async () => {
      const status = await askDaemon<StatusAnswer>(socket(), '/v1/status');
      if (globals().json === true) io.json(status);
      else statusLines(status, Date.now()).forEach((line) => io.out(line));
    });

  program
    .command('services')
    .description('virtual services and their real servers, with their numbers')
    .action(async () => {
      const answer = await askDaemon<ServicesAnswer>(socket(), '/v1/services');
      if (globals().json === true) io.json(answer);
      else showServices(answer, io);
    });

  const flows = program.command('flows').description('tracked connections, as ipvsadm -Lnc draws them');
  for (const filter of flowFilters) flows.option(`--${filter} <value>`, `only this ${filter}`);
  flows
    .option('--limit <n>', 'at most this many', positiveNumber, defaultFlows)
    .option('--all', 'every connection')
    .action(async (options: Readonly<Record<string, string>> & { limit: number; all?: true }) => {
      const filters = Object.fromEntries(
        flowFilters.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
      );
      const limit = options.all === true ? Number.POSITIVE_INFINITY : options.limit;
      const { fetchFlows, showFlows } = await import('./show-flows.js');
      const pages = fetchFlows({ filters, limit }, (path) => askDaemon<FlowsAnswer>(socket(), path));
      await showFlows(pages, globals().json === true, io);
    });

  program
    .command('reload')
    .description('read the configuration again and apply what changed; a bad one changes nothing')
    .action(async () => {
      const answer = await tellDaemon<ReloadAnswer>(socket(), '/v1/reload');
      if (globals().json === true) io.json(answer);
      else if (answer.changes.length === 0) io.out('unchanged');
      else answer.changes.forEach((change) => io.out(describeChange(change)));
    });

  const ipvsadm = async (words: readonly string[]): Promise<number> => {
    const { ipvsadmCommand } = await import('./ipvsadm-command.js');
    return ipvsadmCommand(words, socket(), io);
  };

  program
    .command('ipvsadm')
    .usage('ARGS…')
    .description("change and list services at run time, with ipvsadm's own words and output")
    .action(async () => setExitCode(await ipvsadm(ipvsadmArguments)));

  program
    .command('save')
    .description('print the services as ipvsadm-save does')
    .action(async () => setExitCode(await ipvsadm(['-S', '-n'])));

  program
    .command('restore')
    .description('make the services what ipvsadm-save wrote, read from stdin, in one step')
    .action(async () => {
      const [{ restoreOperations }, { machineNames }] = await Promise.all([
        import('./restore.js'),
        import('./names.js'),
      ]);
      const operations = await restoreOperations(await io.input(), machineNames());
      const answer = await tellDaemon<ChangeAnswer>(socket(), '/v1/change', { operations });
      if (globals().json === true) io.json(answer);
      else answer.changes.forEach((change) => io.out(describeChange(change)));
      for (const note of answer.notes) io.complain(`vsnat: note: ${note}`);
    });

  program
    .command('demo')
    .description(
      'try it here: a client, a director and three real servers in network namespaces (needs root)',
    )
    .option('--once', 'show it and end')
    .action(async ({ once = false }: { once?: boolean }) => {
      const { runDemo } = await import('../lab/index.js');
      setExitCode(await runDemo({ once }));
    });

  program
    .command('completion')
    .description('print a completion script')
    .argument('<shell>', shells.join(', '))
    .action(async (shell: string) => {
      const { ipvsadmWords } = await import('./ipvsadm-command.js');
      const commands = commandWords(program, ipvsadmWords);
      io.out(completionScript(shell, commands, optionWords(program)));
    });

  return program;
}

function showServices(answer: ServicesAnswer, io: Io): void {
  if (answer.services.length === 0) io.out('no services');
  for (const { title, lines } of serviceTexts(answer)) {
    io.heading(title);
    lines.forEach((line) => io.out(line));
  }
}

/** commander says how parsing ended by throwing: help and version are results, all else is a usage error. */
function endOfParsing(error: CommanderError, program: Command, io: Io): number {
  if (error.exitCode === 0) return exitCodes.ok;
  if (error.code === 'commander.help') {
    io.complain(program.helpInformation().trimEnd());
    return exitCodes.usage;
  }
  const [name = ''] = program.args;
  if (error.code === 'commander.unknownCommand' && laterCommands.has(name)) {
    io.complain(`vsnat: ${name}: not in this version; \`vsnat --help\` lists what is`);
  } else {
    io.complain(
      `vsnat: ${error.message.replace(/^error: /, '').replaceAll('\n', ' ')}; see \`vsnat --help\``,
    );
  }
  return exitCodes.usage;
}

function positiveNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('must be a whole number above 0.');
  return Number(text);
}

const optionWords = (command: Command): string[] =>
  command.options.flatMap(({ long }) => (long == null ? [] : [long]));

function commandWords(program: Command, ipvsadmWords: readonly string[]): CommandWords[] {
  return program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: command.name() === 'ipvsadm' ? ipvsadmWords : optionWords(command),
    file: command.options.some(({ long }) => long === '--config'),
  }));
}
