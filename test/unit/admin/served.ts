// SPDX-License-Identifier: Apache-2.0
/** A real daemon over a fake dataplane and host, spoken to as anybody would: text in, status and JSON out. */
import { request } from 'node:http';
import { rmSync } from 'node:fs';

import { startDaemon, type Daemon } from '../../../src/cli/daemon.js';
import { fakeMachine, type FakeMachine } from '../cli/parts.js';

export interface Heard {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly type: string;
  readonly text: string;
  /** undefined when it is no JSON. */
  readonly body: unknown;
}

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Served {
  readonly machine: FakeMachine;
  readonly daemon: Daemon;
  ask(method: string, path: string, sent?: Sent): Promise<Heard>;
  /** POST of a value as JSON. */
  post(path: string, body: unknown, headers?: Sent['headers']): Promise<Heard>;
  stop(): Promise<void>;
}

export async function serve(text?: string): Promise<Served> {
  const machine = fakeMachine();
  if (text !== undefined) machine.text = text;
  const daemon = await startDaemon({ configFile: 'vsnat.yaml', version: '0.1.0' }, machine.parts);
  const asking: Served['ask'] = (method, path, sent) => ask(machine.socket, method, path, sent);
  return {
    machine,
    daemon,
    ask: asking,
    post: (path, body, headers = {}) =>
      asking('POST', path, {
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      }),
    stop: async () => {
      await daemon.stop();
      rmSync(machine.directory, { recursive: true, force: true });
    },
  };
}

export function ask(
  socketPath: string,
  method: string,
  path: string,
  { headers = {}, body }: Sent = {},
): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const asked = request(
      { socketPath, method, path, agent: false, headers: { host: 'vsnat', ...length, ...headers } },
      (response) => {
        const chunks: Buffer[] = [];
        const type = response.headers['content-type'] ?? '';
        if (type === 'text/event-stream' && method !== 'HEAD') {
          // It would not end.
          response.destroy();
          const { statusCode = 0, headers: heads } = response;
          return resolve({ status: statusCode, headers: heads, type, text: '', body: undefined });
        }
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            type,
            text,
            body: parsed(text),
          });
        });
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
