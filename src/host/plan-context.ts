// SPDX-License-Identifier: Apache-2.0
/** What the planners of src/host share: the model and the host's state, boiled down to what they ask again and again. */
import type { DeviceFacts } from '../dataplane/dataplane.js';
import type { Listen, TunSettings, VirtualService } from '../model/index.js';
import { routingIdOf } from './ownership.js';
import type { HostState } from './state.js';
import { versionOf, type IpVersion } from './step.js';

/** The part of the model that the host has to know. */
export interface HostModel {
  readonly tun: Pick<TunSettings, 'name' | 'mtu'>;
  readonly services: readonly Pick<VirtualService, 'listen' | 'servers'>[];
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
  /** One row per RIP, protocol and port: replies to look for. */
  readonly replies: readonly Listen[];
}

export function gather(model: HostModel, device: HostDevice, state: HostState): Context {
  const listen = unique(model.services.flatMap((service) => service.listen));
  const replies = unique(
    model.services.flatMap((service) =>
      service.servers.flatMap((server) =>
        [...new Set(service.listen.map((spec) => spec.protocol))].map((protocol) => ({
          protocol,
          address: server.address,
          port: server.port,
        })),
      ),
    ),
  );
  const local = new Set(state.addresses.filter((a) => a.interface !== device.name).map((a) => a.address));
  const present = new Set(listen.map((spec) => versionOf(spec.address)));
  return {
    device,
    state,
    mark: routingIdOf(device.index),
    versions: ([4, 6] as const).filter((version) => present.has(version)),
    listen,
    replies,
    ownVips: new Set(listen.map((spec) => spec.address).filter((address) => local.has(address))),
  };
}

function unique(specs: readonly Listen[]): readonly Listen[] {
  return [...new Map(specs.map((spec) => [`${spec.protocol} ${spec.address} ${spec.port}`, spec])).values()];
}
