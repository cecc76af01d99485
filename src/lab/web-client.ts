// SPDX-License-Identifier: Apache-2.0
/**
 * The client of the demo, a program of its own: `node web-client.js URL COUNT` sends COUNT requests one after the
 * other, each over a new connection, and prints each answer on a line as it arrives. Exits with 1 at the first failure.
 */
import { get } from 'node:http';

import { said } from '../errors.js';

const [url = '', count = '1'] = process.argv.slice(2);
const answerWithinMs = 5000;

const request = (): Promise<string> =>
  new Promise((resolve, reject) => {
    const sent = get(url, { agent: false, timeout: answerWithinMs }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve(body.trim()));
      response.on('error', reject);
    });
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${answerWithinMs} ms`)));
    sent.on('error', reject);
  });

try {
  for (let sent = 0; sent < Number(count); sent++) process.stdout.write(`${await request()}\n`);
} catch (error) {
  process.stderr.write(`${url}: ${said(error)}\n`);
  process.exitCode = 1;
}
