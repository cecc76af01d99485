// SPDX-License-Identifier: Apache-2.0
/**
 * A director of one's own over a TUN device, as root or with CAP_NET_ADMIN: what `vsnat run` does, in a program.
 *
 *     node examples/tun-director.ts tcp://10.9.0.1:80 10.2.1.2:8080 10.2.2.2:8080
 *
 * SIGHUP swaps the scheduler under the connections that live; SIGTERM gives the host back as it was and ends.
 */
import { describeChange, Director, virtualService, type Change, type VirtualServiceOptions } from 'vsnat';

import steerClear from './steer-clear.ts';

const [listen, ...servers] = process.argv.slice(2);
if (listen === undefined || servers.length === 0) {
  console.error('usage: tun-director.ts LISTEN SERVER...');
  process.exit(2);
}

const services = (scheduler: NonNullable<VirtualServiceOptions['scheduler']>) => [
  virtualService({ name: 'web', listen, servers, scheduler }),
];

const director = await Director.tun({ services: services('rr') }, { log: console });
director.events.subscribe(({ text }) => console.log(text));

const tell = (): void => {
  for (const service of director.services())
    for (const { server, connections } of service.servers)
      console.log(`${service.service} ${server} ${service.scheduler} ${connections} connections`);
};
const telling = setInterval(tell, 10_000); // and it keeps the process awake: a director does not

async function swap(): Promise<void> {
  const changes: readonly Change[] = await director.apply({ services: services(steerClear) });
  for (const change of changes) console.log(describeChange(change));
}

process.on('SIGHUP', () => {
  swap().catch((error: unknown) => console.error(error)); // the old one goes on
});
process.once('SIGTERM', () => {
  clearInterval(telling);
  tell();
  void director.close();
});
console.log(`ready ${director.facts.name}`);
