// SPDX-License-Identifier: Apache-2.0
/** What a delta makes of a snapshot: the slow, obvious reference of what the native side does. */
import type { ServiceSpec, SnapshotDelta, SnapshotSpec } from './dataplane.js';

/** Services keep their places; new ones come last. What is carried over goes on as it was. */
export function applyDelta(before: SnapshotSpec, delta: SnapshotDelta): SnapshotSpec {
  const { services, removed, ...settings } = delta;
  const bySlot = new Map<number, ServiceSpec>(before.services.map((it) => [it.slot, carriedOver(it)]));
  for (const slot of removed) bySlot.delete(slot);
  for (const service of services) bySlot.set(service.slot, service);
  return { ...settings, services: [...bySlot.values()] };
}

const carriedOver = (service: ServiceSpec): ServiceSpec =>
  service.plan.kind === 'cycle' ? { ...service, continues: true } : service;
