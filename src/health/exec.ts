// SPDX-License-Identifier: Apache-2.0
/**
 * exec: a program of the user's; exit code 0 is good. No shell, nothing of the daemon's environment but PATH, output that
 * is bounded, and a process group of its own, which is killed as a whole at the deadline and when the program has
 * ended: a check leaves no process behind. A line "weight=NN%" of its output moves the server's weight.
 */
import { spawn, type ChildProcess } from 'node:child_process';

import { bad, CannotAsk, good, type Answer, type Checker, type QuestionOf, type Target } from './checker.js';
import { codeOf, failure } from './message.js';

/** Beyond this the program is ended, and the answer is bad. */
const maxOutput = 64 * 1024;
/** A fork holds the event loop for a millisecond or more, and who knows what the program does. */
const maxPrograms = 64;

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export function execChecker(): Checker<QuestionOf<'exec'>> {
  const living = new Set<Promise<void>>();
  return {
    ask({ command }, target, finish) {
      if (living.size >= maxPrograms)
        throw new CannotAsk('busy', `${maxPrograms} programs of checks are running`);
      const [program = '', ...rest] = command;
      const child = spawn(program, rest, {
        shell: false,
        detached: true, // a process group of its own
        cwd: '/',
        stdio: ['ignore', 'pipe', 'pipe'],
        env: environment(target),
      });
      const gone = whenGone(child);
      living.add(gone);
      void gone.then(() => living.delete(gone));

      let ended: Ended | undefined;
      let isOver = false;
      const stop = (): void => {
        isOver = true;
        killGroup(child);
        child.stdout.destroy();
        child.stderr.destroy();
      };
      const end = (answer: Answer): void => {
        if (isOver) return;
        stop();
        finish(answer);
      };
      const output = collect(child, () => end(bad('program', `wrote more than ${maxOutput / 1024} KiB`)));
      child.once('error', (error) => end(couldNotRun(error, program)));
      child.once('exit', (code, signal) => {
        ended = { code, signal };
        killGroup(child); // what the program left behind holds its output open
      });
      child.once('close', () => {
        if (ended !== undefined) end(answerOf(ended, output));
      });
      return {
        progress: () => 'still running',
        stop,
        // A grandchild that left the group may hold the output open, but the program itself has answered.
        silence: () => (ended === undefined ? undefined : answerOf(ended, output)),
      };
    },
    close: async () => {
      await Promise.all(living);
    },
  };
}

interface Output {
  stdout: string;
  stderr: string;
}

function collect(child: ChildProcess, tooMuch: () => void): Output {
  const output: Output = { stdout: '', stderr: '' };
  let length = 0;
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      length += text.length;
      if (length > maxOutput) tooMuch();
      else output[name] += text;
    });
  }
  return output;
}

/** Also when it never began. */
const whenGone = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });

function environment({ address, port, source, service, server, timeoutMs }: Target): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    VSNAT_ADDRESS: address,
    VSNAT_PORT: String(port),
    ...(source !== null && { VSNAT_SOURCE: source }),
    VSNAT_SERVICE: service,
    VSNAT_SERVER: server,
    VSNAT_TIMEOUT_MS: String(timeoutMs),
  };
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error; // nobody of the group is left
  }
}

function couldNotRun(error: unknown, program: string): Answer {
  const code = codeOf(error);
  if (code === 'ENOENT') return bad('program', `${program}: no such program`);
  if (code === 'EACCES') return bad('program', `${program}: may not be run`);
  return failure(error, program, 'program');
}

function answerOf({ code, signal }: Ended, { stdout, stderr }: Output): Answer {
  if (code === 0) {
    const percent = /^weight=(\d{1,5})%\s*$/m.exec(stdout)?.[1];
    const said = firstLine(stdout);
    const message = `exit code 0${said === '' ? '' : `: ${said}`}`;
    return good(message, percent === undefined ? {} : { weightPercent: Number(percent) });
  }
  const how = code === null ? `ended by ${signal ?? 'a signal'}` : `exit code ${code}`;
  const said = firstLine(stderr) || firstLine(stdout);
  return bad(code === null ? 'program' : 'status', said === '' ? how : `${how}: ${said}`);
}

const firstLine = (text: string): string => text.trimStart().split('\n', 1)[0]?.trimEnd() ?? '';
