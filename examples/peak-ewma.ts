// SPDX-License-Identifier: Apache-2.0
/**
 * What peak-ewma does for clients when one server of four becomes slow for a while, beside wlc, which counts connections
 * alone. In memory, with the dataplane's own dispatch and its own measurements of handshakes.
 *
 *     node examples/peak-ewma.ts
 */
import { generateTrace, peakEwma, simulate, virtualService, type TraceConnection } from 'vsnat';

const servers = ['10.0.0.1:8080', '10.0.0.2:8080', '10.0.0.3:8080', '10.0.0.4:8080'];
const [troubled] = servers;

/** A thousand connections; the server is in trouble for all of them, or for none. */
async function share(scheduler: 'wlc' | typeof peakEwma, slowMs: number): Promise<[string, string]> {
  const trace: readonly TraceConnection[] = generateTrace({ connections: 1000, rate: 100, duration: 0.5 });
  const web = virtualService({
    name: 'web',
    listen: 'tcp://192.0.2.10:80',
    servers,
    scheduler,
    ...(scheduler !== 'wlc' && { schedulerOptions: { decay_ms: 2000 } }),
  });
  const result = await simulate(web, trace, {
    latencyMs: (server) => (server === troubled ? slowMs : 5),
  });
  const got = result.servers.find(({ server }) => server === troubled)?.share ?? 0;
  return [`${(got * 100).toFixed(1)} %`, `${result.meanHandshakeMs.toFixed(1)} ms`];
}

for (const slowMs of [5, 50, 500]) {
  for (const scheduler of ['wlc', peakEwma] as const) {
    const [got, mean] = await share(scheduler, slowMs);
    const name = scheduler === 'wlc' ? 'wlc' : scheduler.name;
    console.log(`${name}: handshakes of ${slowMs} ms get ${got} of the clients, who wait ${mean} on average`);
  }
}
