// SPDX-License-Identifier: Apache-2.0
/** Groups by their name, as /etc/group has them; those of other sources are written as a number. */
import { readFile } from 'node:fs/promises';

import { VsnatError } from '../errors.js';

export async function groupId(group: string | number, file = '/etc/group'): Promise<number> {
  if (typeof group === 'number') return group;
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n').map((line) => line.split(':'));
  const id = lines.find(([name]) => name === group)?.[2];
  if (id !== undefined && /^\d+$/.test(id)) return Number(id);
  throw new VsnatError(
    'VSNAT_HOST_REFUSED',
    `admin.group: must be a group of this host, got ${JSON.stringify(group)}; groupadd --system it, or write its number`,
  );
}
