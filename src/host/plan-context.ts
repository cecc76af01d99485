// SPDX-License-Identifier: Apache-2.0
/** What the planners of src/host share: the model and the host's state, boiled down to what they ask again and again. */
import type { DeviceFacts } from '../dataplane/dataplane.js';
import { VsnatError } from '../errors.js';
import {
  checkSources,
  targetPort,
  type IpAddress,
  type Listen,
  type TunSettings,
  type VirtualService,
} from '../model/index.js';
import { routingIdOf } from './ownership.js';
import type { HostState } from './state.js';
import { versionOf, type IpVersion } from './step.js';

/** The part of the model that the host has to know. */
export interface HostModel {
  readonly tun: Pick<TunSettings, 'name' | 'mtu'>;
  readonly services: readonly (Pick<VirtualService, 'listen' | 'servers'> &
    Partial<Pick<VirtualService, 'persistence' | 'mark' | 'helper' | 'sorryServers' | 'health'>>)[];
}

export type HostDevice = Pick<DeviceFacts, 'name' | 'index'>;

/** What a plan is made of, gathered once. */
export interface Context {
  readonly device: HostDevice;
  readonly state: HostState;
  readonly mark: number;
  readonly versions: readonly IpVersion[];
  readonly listen: readonly Listen[];
  readonly ownVips: ReadonlySet<string>;
  /** One row per RIP, protocol and port: replies to look for. Port 0 is any. */
  readonly replies: readonly Listen[];
  /** Where health checks through a VIP come from. */
  readonly checkSources: readonly IpAddress[];
}

export function gather(model: HostModel, device: HostDevice, state: HostState): Context {
  const listen = unique(model.services.flatMap((service) => service.listen));
  const replies = unique(
    model.services.flatMap((service) =>
      // Those that stand in for others too: when they are needed, nobody has the time to change the host.
      [...service.servers, ...(service.sorryServers ?? [])].flatMap((server) =>
        service.listen.map((spec) => ({
          protocol: spec.protocol,
          address: server.address,
          // Data connections come from ports that the server chooses as it goes.
          port: hasHelper(service) ? 0 : targetPort(service, spec, server),
        })),
      ),
    ),
  );
  const local = new Set(state.addresses.filter((a) => a.interface !== device.name).map((a) => a.address));
  const ownVips = new Set(listen.map((spec) => spec.address).filter((address) => local.has(address)));
  refuseWholeHost(listen, ownVips);
  const sources = checkSources(model.services);
  refuseOwnSource(sources, local);
  const present = new Set(listen.map((spec) => versionOf(spec.address)));
  return {
    device,
    state,
    mark: routingIdOf(device.index),
    versions: ([4, 6] as const).filter((version) => present.has(version)),
    listen,
    replies,
    ownVips,
    checkSources: sources,
  };
}

const hasHelper = ({ helper = 'none' }: HostModel['services'][number]): boolean => helper !== 'none';

/** Every port of an address the host uses itself includes the one its administrator comes in by. */
function refuseWholeHost(listen: readonly Listen[], ownVips: ReadonlySet<string>): void {
  const whole = listen.find(({ address, port }) => port === 0 && ownVips.has(address));
  if (whole === undefined) return;
  throw new VsnatError(
    'VSNAT_HOST_REFUSED',
    `host: ${whole.address} is this host's own address, and a service on every ${whole.protocol} port of it would take ` +
      'the host its own (ssh, for one); list the ports, or give the service an address that no interface has',
  );
}

/** What a server sends to an address of this host's own is delivered before it can be translated back. */
function refuseOwnSource(sources: readonly IpAddress[], local: ReadonlySet<string>): void {
  const own = sources.find((address) => local.has(address));
  if (own === undefined) return;
  throw new VsnatError(
    'VSNAT_HOST_REFUSED',
    `host: ${own} is this host's own address, and health checks \`through: vip\` are to come from it: the servers' answers ` +
      'would reach this host past the director; take it off the interface, or choose a source that no host has',
  );
}

function unique(specs: readonly Listen[]): readonly Listen[] {
  return [...new Map(specs.map((spec) => [`${spec.protocol} ${spec.address} ${spec.port}`, spec])).values()];
}
