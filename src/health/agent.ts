// SPDX-License-Identifier: Apache-2.0
/**
 * agent: a program beside the server says in one line how it is, in the words of HAProxy's agent-check: "up", "down",
 * "drain", "maint", "75%", several of them, with a reason behind '#'. Unlike HAProxy's, each line is the whole truth:
 * what it does not say is up, not drained, and all of its weight. So a restarted director, or one that missed a line, is in
 * no other state than one that heard them all.
 */
import { bad, good, type Answer, type Checker, type QuestionOf } from './checker.js';
import { quoted } from './message.js';
import { drop, openStream } from './stream.js';

const maxLine = 1024;

export const agentChecker: Checker<QuestionOf<'agent'>> = {
  ask({ send }, target, finish) {
    let line = Buffer.alloc(0);
    let isConnected = false;
    const end = (): void => {
      drop(socket);
      finish(readAgentLine(line));
    };
    const socket = openStream(target, {
      connected: (ready) => {
        isConnected = true;
        if (send !== '') ready.write(send);
      },
      data: (bytes) => {
        const newline = bytes.indexOf(0x0a);
        line = Buffer.concat([line, newline < 0 ? bytes.subarray(0, maxLine) : bytes.subarray(0, newline)]);
        if (newline >= 0 || line.length >= maxLine) end();
      },
      ended: end,
      failed: finish,
    });
    return {
      progress: () => (isConnected ? `connected, no whole line yet: ${quoted(line)}` : 'not connected'),
      isConnecting: () => !isConnected,
      stop: () => drop(socket),
    };
  },
};

/** Pure; `line` is what came before the newline. */
export function readAgentLine(line: Buffer): Answer {
  if (line.length >= maxLine) return bad('protocol', `the agent's line has no end: ${quoted(line)}`);
  const [words = '', ...reason] = line.toString('utf8').split('#');
  let weightPercent = 100;
  let drain = false;
  let down: string | undefined;
  let isKnown = false;
  for (const word of words.split(/[\s,]+/)) {
    const lower = word.toLowerCase();
    const percent = /^(\d{1,5})%$/.exec(lower)?.[1];
    if (percent !== undefined) weightPercent = Number(percent);
    else if (lower === 'drain' || lower === 'maint') drain = true;
    else if (lower === 'down' || lower === 'stopped' || lower === 'fail' || lower === 'failed') down = lower;
    else if (lower !== 'up' && lower !== 'ready' && !/^maxconn:\d+$/.test(lower)) continue;
    isKnown = true;
  }
  if (!isKnown) return bad('protocol', `the agent says nothing known: ${quoted(line)}`);
  const why = reason.join('#').trim();
  if (down !== undefined) return bad('declared', `the agent says ${down}${why === '' ? '' : `: ${why}`}`);
  return good(`the agent says ${words.trim()}`, { weightPercent, drain });
}
