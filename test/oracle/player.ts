// SPDX-License-Identifier: Apache-2.0
/** The player (player/player.cc) at the other end of a byte stream: a pipe here, a virtio port in the machine. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { must } from '../netns/support/process.js';
import { projectRoot } from '../netns/support/project-root.js';
import { ethernet, hosts, type Host } from './lab.js';
import { Names } from './names.js';
import { compose } from './packet.js';
import { fence, type Capture } from './world.js';

export const cache = path.join(projectRoot, '.cache/oracle');

/** Compiles the player when its source has changed; linked statically, it also runs where there is nothing else. */
export async function builtPlayer(): Promise<string> {
  const source = path.join(projectRoot, 'test/oracle/player/player.cc');
  const digest = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 12);
  const program = path.join(cache, `player-${digest}`);
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  await must(['g++', '-std=c++20', '-O2', '-Wall', '-Wextra', '-Werror', '-static', '-o', program, source], {
    timeoutMs: 120_000,
  });
  return program;
}

const answerDeadlineMs = 60_000;
const ethernetHeader = 14;
const fenceBytes = 8;

export interface Ran {
  readonly code: number;
  readonly output: readonly string[];
}

export class Player {
  readonly #out: Writable;
  #buffered = '';
  #lines: string[] = [];
  #pending: { resolve: (lines: string[]) => void; reject: (error: Error) => void } | null = null;
  #ended: string | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(input: Readable, output: Writable) {
    this.#out = output;
    input.setEncoding('latin1');
    input.on('data', (text: string) => this.#take(text));
    input.on('close', () => this.#end('the player ended'));
    input.on('error', (error: Error) => this.#end(error.message));
    output.on('error', (error: Error) => this.#end(error.message));
  }

  /** Waits for the player to be there, and tells it what a fence is. */
  async ready(timeoutMs: number): Promise<void> {
    await this.#answer(timeoutMs);
    const packet = compose(
      { kind: 'udp', from: fence.server, to: fence.to, checksum: 'none', data: Buffer.alloc(fenceBytes) },
      new Names(1),
    );
    await this.#ask(`fence rs1 ${frame('rs1', packet).toString('hex')} client`);
  }

  async send(from: Host, packet: Buffer): Promise<readonly Capture[]> {
    return captures(await this.#ask(`send ${from} ${frame(from, packet).toString('hex')}`));
  }

  async gather(milliseconds: number): Promise<readonly Capture[]> {
    return captures(await this.#ask(`gather ${milliseconds}`, milliseconds + answerDeadlineMs));
  }

  async run(command: string): Promise<Ran> {
    const lines = await this.#ask(`run ${command}`);
    const output = lines.filter((line) => line.startsWith('o ')).map((line) => line.slice(2));
    return { code: Number(/^exit (\d+)$/.exec(lines.at(-1) ?? '')?.[1] ?? -1), output };
  }

  /** Lines of /proc/net/NAME in the director's namespace. */
  async read(name: string): Promise<readonly string[]> {
    return (await this.#ask(`read ${name}`)).map((line) => line.slice(2));
  }

  /** One command at a time: whoever asks meanwhile waits for its turn. */
  #ask(command: string, timeoutMs = answerDeadlineMs): Promise<readonly string[]> {
    const answer = this.#turn.then(() => {
      const lines = this.#answer(timeoutMs);
      this.#out.write(`${command}\n`);
      return lines;
    });
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  #answer(timeoutMs: number): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) {
        reject(new Error(this.#ended));
        return;
      }
      const timer = setTimeout(
        () => this.#end(`no answer from the player within ${timeoutMs} ms`),
        timeoutMs,
      );
      this.#pending = {
        resolve: (lines) => {
          clearTimeout(timer);
          const errors = lines.filter((line) => line.startsWith('error '));
          if (errors.length > 0) reject(new Error(`player: ${errors.join('; ')}`));
          else resolve(lines);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.#deliver();
    });
  }

  #take(text: string): void {
    const lines = (this.#buffered + text).split('\n');
    this.#buffered = lines.pop() ?? '';
    this.#lines.push(...lines.map((line) => line.replace(/\r$/, '')));
    this.#deliver();
  }

  #deliver(): void {
    const end = this.#lines.indexOf('.');
    if (end < 0 || this.#pending === null) return;
    const { resolve } = this.#pending;
    this.#pending = null;
    resolve(this.#lines.splice(0, end + 1).slice(0, -1));
  }

  #end(why: string): void {
    this.#ended ??= why;
    this.#pending?.reject(new Error(why));
    this.#pending = null;
  }
}

const familyOf = (packet: Buffer): 4 | 6 => ((packet[0] ?? 0) >> 4 === 6 ? 6 : 4);
const frame = (host: Host, packet: Buffer): Buffer =>
  Buffer.concat([ethernet(host, familyOf(packet)), packet]);

function captures(lines: readonly string[]): readonly Capture[] {
  return lines
    .filter((line) => line.startsWith('r '))
    .map((line) => {
      const [, at = '', hex = ''] = line.split(' ');
      const host = hosts.find((name) => name === at);
      if (host === undefined) throw new Error(`player: unknown host in ${line}`);
      return { at: host, bytes: Buffer.from(hex, 'hex').subarray(ethernetHeader) };
    })
    .filter(({ bytes }) => !isNeighbourTalk(bytes));
}

/** Router and multicast listener messages of the director's kernel: nobody's reaction to a packet. */
function isNeighbourTalk(bytes: Buffer): boolean {
  if (familyOf(bytes) === 4) return bytes.readUInt8(9) === 2; // IGMP
  const hopByHop = bytes.readUInt8(6) === 0 && bytes.readUInt8(40) === 58;
  const type = bytes.readUInt8(6) === 58 ? bytes.readUInt8(40) : hopByHop ? bytes.readUInt8(48) : 0;
  return type >= 130 && type <= 143;
}
