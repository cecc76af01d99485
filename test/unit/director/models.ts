// SPDX-License-Identifier: Apache-2.0
/** Small configurations for the tests of everything above the model. */
import { parseConfig } from '../../../src/config/index.js';
import {
  realServer,
  virtualService,
  type Model,
  type VirtualServiceOptions,
} from '../../../src/model/index.js';

export const emptyModel: Model = parseConfig('services: []').model;

export const modelWith = (...services: VirtualServiceOptions[]): Model => ({
  ...emptyModel,
  services: services.map(virtualService),
});

/** A service named `name` at 10.9.0.1, with servers given as "a:5" for 10.2.1.<code of a>:8080 weight 5. */
export function web(servers: string, extra: Partial<VirtualServiceOptions> = {}): VirtualServiceOptions {
  return {
    name: 'web',
    listen: 'tcp://10.9.0.1:80',
    scheduler: 'wrr',
    servers: servers.split(' ').filter(Boolean).map(serverOf),
    ...extra,
  };
}

function serverOf(text: string): ReturnType<typeof realServer> {
  const [letter = 'a', weight = '1'] = text.split(':');
  return realServer(`10.2.1.${letter.charCodeAt(0)}:8080`, { weight: Number(weight) });
}

/** The identity of server "a" of `web`. */
export const idOf = (letter: string): string => `10.2.1.${letter.charCodeAt(0)}:8080`;
