// SPDX-License-Identifier: Apache-2.0
/** Administration and metrics: not where services are, and not open to everybody. */
import { scopeOf } from '../../model/address.js';
import type { Endpoint } from '../../model/endpoint.js';
import type { DoorsDraft } from '../draft/doors.js';
import type { ServiceDraft } from '../draft/service.js';
import type { Field } from '../field.js';
import type { Located } from '../located.js';

export function checkDoors(root: Field, doors: DoorsDraft, services: readonly ServiceDraft[]): void {
  const { adminListen, metricsListen } = doors;
  if (metricsListen !== undefined) checkApart(metricsListen, services);
  if (adminListen !== undefined) {
    checkApart(adminListen, services);
    checkDoorsApart(adminListen, metricsListen);
    checkGuarded(root.get('admin'), adminListen.value);
  }
  checkSocket(root.get('admin').get('socket'));
}

function checkApart({ at, value }: Located<Endpoint>, services: readonly ServiceDraft[]): void {
  const taken = services
    .flatMap(({ listen }) => listen)
    .find(
      ({ value: { protocol, address, port } }) =>
        protocol === 'tcp' && address === value.address && (port === value.port || port === 0),
    );
  if (taken === undefined) return;
  at.refuse({ must: `not be where ${taken.at.labelFrom(at)} listens`, hint: 'choose another port' });
}

function checkDoorsApart({ at, value }: Located<Endpoint>, metrics: Located<Endpoint> | undefined): void {
  if (metrics?.value.port !== value.port || metrics.value.address !== value.address) return;
  at.refuse({ must: 'not be where metrics are served', hint: 'choose another port' });
}

/** Over TCP there are no file permissions, and what a wire carries in the clear is everybody's. */
function checkGuarded(admin: Field, { address }: Endpoint): void {
  const guards = [admin.get('token_file'), admin.get('tls').get('client_ca')];
  if (guards.every(({ value }) => value === undefined)) {
    admin.get('listen').refuse({
      must: 'come with token_file or tls.client_ca',
      hint: 'whoever reaches it administers the director otherwise',
    });
  } else if (admin.get('tls').value === undefined && scopeOf(address) !== 'loopback') {
    admin.get('listen').refuse({
      must: 'be a loopback address where there is no tls',
      hint: 'add tls: the token would travel in the clear',
    });
  }
}

/** The schema counts characters, the kernel bytes (struct sockaddr_un). */
function checkSocket(at: Field): void {
  const text = at.text() ?? '';
  if (text.length <= 107 && Buffer.byteLength(text) > 107) {
    at.refuse({ must: 'be an absolute path of at most 107 bytes' });
  }
}
