// SPDX-License-Identifier: Apache-2.0
/**
 * A real server of the demo, a program of its own: answers every request with its name and tells on stdout, one JSON
 * line per request, which client it saw. Started as `node web-server.js NAME PORT`; the first line says it listens.
 */
import { createServer } from 'node:http';

const [name = 'server', port = '8080'] = process.argv.slice(2);

const server = createServer((request, response) => {
  process.stdout.write(`${JSON.stringify({ client: request.socket.remoteAddress })}\n`);
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.end(`${name}\n`);
});
server.listen(Number(port), '0.0.0.0', () => process.stdout.write('{"listening":true}\n'));
process.on('SIGTERM', () => process.exit(0));
