// SPDX-License-Identifier: Apache-2.0
/**
 * Checks `through: vip`: which of them can be, where they go in, and where they come from. A check that is a connection to
 * a service goes the way of its clients; an echo request, a program or an agent on a port of its own does not.
 */
import type { IpAddress } from './address.js';
import type { Listen } from './endpoint.js';
import type { HealthCheck, Question } from './health.js';
import type { RealServer, VirtualService } from './service.js';

export type CheckTransport = 'tcp' | 'udp';

/** null: a check of this kind cannot go through a VIP. */
export function transportOf(question: Pick<Question, 'kind'> & { readonly transport?: CheckTransport }) {
  switch (question.kind) {
    case 'tcp':
    case 'http':
    case 'https':
      return 'tcp';
    case 'udp':
      return 'udp';
    case 'dns':
      return question.transport ?? 'udp';
    default:
      return null;
  }
}

/** A place of the service that the check can go in at. */
export interface WayIn extends Listen {
  readonly protocol: CheckTransport;
}

/**
 * The first address of the service that fits the check: of its protocol and, where the check has a `port`, on that port
 * or on every one. On every port and without a `port` the check goes to that of the server. null: there is none.
 */
export function wayIn(
  { listen }: Pick<VirtualService, 'listen'>,
  { question, port }: Pick<HealthCheck, 'question' | 'port'>,
  server: Pick<RealServer, 'port'>,
): WayIn | null {
  const protocol = transportOf(question);
  const place = listen.find(
    (it) => it.protocol === protocol && (port === null || it.port === 0 || it.port === port),
  );
  if (place === undefined || protocol === null) return null;
  const at = place.port !== 0 ? place.port : (port ?? server.port);
  return at === 0 ? null : { protocol, address: place.address, port: at };
}

/** Where such checks come from, each address once. */
export function checkSources(
  services: Iterable<Partial<Pick<VirtualService, 'health'>>>,
): readonly IpAddress[] {
  const sources = new Set<IpAddress>();
  for (const { health = [] } of services)
    for (const { through, source } of health) if (through === 'vip' && source !== null) sources.add(source);
  return [...sources];
}
