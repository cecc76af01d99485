// SPDX-License-Identifier: Apache-2.0
/** The daemon's parts on a real machine: files, the host, the addon, the TUN device, the service manager. */
import { loadConfigWithModules, unreachable, type Config, type HostNetwork } from '../config/index.js';
import { addonAbi, loadAddon, measureLoop, TunDataplane } from '../dataplane/native.js';
import {
  hostAddresses,
  hostPrefixes,
  hostWatchMs,
  preflight,
  prepareHost,
  realSystem,
  lookAtWays,
} from '../host/index.js';
import { healthChecks } from '../director/health-checks.js';
import { hearOfWays, hostMemory } from '../director/director-parts.js';
import { loopIntervalMs } from '../metrics/process.js';
import type { Model } from '../model/index.js';
import { SchedulerModules } from '../modules/scheduler-modules.js';
import type { DaemonParts } from './daemon.js';
import { createLogger } from './log.js';
import { createNotifier, type SendDatagram } from './notify.js';

/** Reads a configuration and checks it against the subnets of this host; on a reload `running` is what runs now. */
export async function loadForThisHost(
  file: string,
  running?: Model,
  modules = new SchedulerModules(),
): Promise<Config> {
  const host = await hostNetwork();
  return loadConfigWithModules(file, modules, running === undefined ? { host } : { host, running });
}

/** null where the host cannot be asked (no iproute2): `vsnat check` works on machines that never run the daemon. */
async function hostNetwork(): Promise<HostNetwork | null> {
  const [prefixes, addresses] = await Promise.all([hostPrefixes(), hostAddresses()]);
  if (prefixes === null) return null;
  return { prefixes, defaultRoute: await hasDefaultRoute(), ...(addresses !== null && { addresses }) };
}

async function hasDefaultRoute(): Promise<boolean> {
  const { stdout } = await realSystem.run(['ip', 'route', 'show', 'default']);
  return stdout.trim() !== '';
}

export function realParts(configFile: string): DaemonParts<TunDataplane> {
  const modules = new SchedulerModules();
  return {
    load: async (note, running) => {
      const { model, notes } = await loadForThisHost(configFile, running, modules);
      notes.forEach(note);
      return model;
    },
    retainModules: ({ services }) =>
      modules.retain(services.flatMap(({ scheduler: it }) => (typeof it === 'string' ? [] : [it.scheduler]))),
    preflight: async (model, log) => {
      loadAddon(); // a missing binary is told before the host is looked at: it is the first thing to mend
      await preflight(model, { log });
    },
    openDataplane: (options) => new TunDataplane(options),
    startDataplane: (dataplane) => dataplane.start(),
    prepareHost: (model, facts, log) => prepareHost(model, facts, { log, watchMs: hostWatchMs }),
    unreachable: async (servers) => {
      const host = servers.length === 0 ? null : await hostNetwork();
      return host === null ? [] : unreachable(servers, host);
    },
    memory: hostMemory,
    ways: (device) => lookAtWays(realSystem, device),
    hearOfWays,
    measureLoop: () => measureLoop(loopIntervalMs),
    health: healthChecks,
    createLogger,
    notifier: (onFailure) => createNotifier(process.env['NOTIFY_SOCKET'], sender(), onFailure),
    addonAbi,
    now: Date.now,
  };
}

/** undefined with an addon that cannot send datagrams. */
function sender(): SendDatagram | undefined {
  const addon = loadAddon();
  return addon.notify === undefined ? undefined : (path, text) => addon.notify?.(path, text);
}
