// SPDX-License-Identifier: Apache-2.0
/**
 * The commands: what they are called, what they take, and which exit code they end with. Each action is a few lines
 * over a module that does the work; nothing here ends the process.
 */
import { Command, CommanderError, InvalidArgumentError } from 'commander';

import type { ChangeAnswer, FlowsAnswer, ReloadAnswer, ServicesAnswer, StatusAnswer } from '../admin/api.js';
import { flowFilters } from '../admin/flow-query.js';
import { ConfigError, formatProblem } from '../config/index.js';
import { describeChange } from '../director/diff.js';
import { exitCodeFor, exitCodes, VsnatError } from '../errors.js';
import { askDaemon, tellDaemon } from './ask.js';
import { completionScript, shells, type CommandWords } from './completion.js';
import { Io, printable, type Streams } from './io.js';
import { ipvsadmDaemon, ipvsadmWords, splitAtIpvsadm } from './ipvsadm-command.js';
import { runIpvsadm } from './ipvsadm.js';
import { laterCommands } from './later.js';
import { loadForThisHost, realParts } from './machine.js';
import { machineNames } from './names.js';
import { restoreOperations } from './restore.js';
import { runDaemon } from './run.js';
import { fetchFlows, flowLine, flowsTitle } from './show-flows.js';
import { serviceTexts, statusLines } from './show-status.js';
import { plural } from './table.js';
import { version } from './version.js';

export const defaultSocket = '/run/vsnat/vsnat.sock';
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
    complainOf(error, io);
    return exitCodeFor(error);
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
      setExitCode(await runDaemon(options, realParts(config)));
    });

  program
    .command('check')
    .description('find every mistake in a configuration; nothing is touched')
    .argument('[file]', 'configuration')
    .option('-c, --config <file>', 'the same')
    .action(async (file: string | undefined, { config }: { config?: string }) => {
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

  const ipvsadm = (words: readonly string[]): Promise<number> =>
    runIpvsadm(words, { daemon: ipvsadmDaemon(socket()), names: machineNames(), io });

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
    .action((shell: string) => io.out(completionScript(shell, commandWords(program), optionWords(program))));

  return program;
}

async function check(file: string | undefined, json: boolean, io: Io): Promise<number> {
  if (file === undefined)
    throw new VsnatError('VSNAT_USAGE', 'check: must be told the file; write `vsnat check FILE`');
  try {
    const { model, notes } = await loadForThisHost(file);
    const servers = model.services.reduce((total, service) => total + service.servers.length, 0);
    if (json) io.json({ ok: true, file, services: model.services.length, servers, notes });
    else
      io.out(`${file}: ok, ${plural(model.services.length, 'service')}, ${plural(servers, 'real server')}`);
    if (!json) for (const note of notes) io.complain(`${file}: note: ${note}`);
    return exitCodes.ok;
  } catch (error) {
    if (!json || !(error instanceof ConfigError)) throw error;
    io.json({ ok: false, file, problems: error.problems.map((it) => ({ ...it, text: formatProblem(it) })) });
    return exitCodes.badConfiguration;
  }
}

function showServices(answer: ServicesAnswer, io: Io): void {
  if (answer.services.length === 0) io.out('no services');
  for (const { title, lines } of serviceTexts(answer)) {
    io.heading(title);
    lines.forEach((line) => io.out(line));
  }
}

async function showFlows(pages: AsyncIterable<FlowsAnswer>, json: boolean, io: Io): Promise<void> {
  const rows: FlowsAnswer['rows'][number][] = [];
  let next: number | null = null;
  if (!json) io.heading(flowsTitle);
  for await (const page of pages) {
    next = page.next;
    if (json) rows.push(...page.rows);
    else page.rows.forEach((row) => io.out(flowLine(row)));
  }
  if (json) io.json({ rows, complete: next === null });
  else if (next !== null) io.complain('vsnat: there are more; --all shows every connection');
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

/** The mistakes of a configuration stand alone, so that editors and people can jump to file:line:column. */
function complainOf(error: unknown, io: Io): void {
  if (error instanceof VsnatError && error.code === 'VSNAT_CONFIG_INVALID') io.complain(error.message);
  else if (error instanceof VsnatError) io.complain(`vsnat: ${error.message}`);
  else
    io.complain(
      `vsnat: unexpected error: ${error instanceof Error ? (error.stack ?? error.message) : printable(String(error))}`,
    );
}

function positiveNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('must be a whole number above 0.');
  return Number(text);
}

const optionWords = (command: Command): string[] =>
  command.options.flatMap(({ long }) => (long == null ? [] : [long]));

function commandWords(program: Command): CommandWords[] {
  return program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: command.name() === 'ipvsadm' ? ipvsadmWords : optionWords(command),
    file: command.options.some(({ long }) => long === '--config'),
  }));
}
