// SPDX-License-Identifier: Apache-2.0
/** Totals or rates as a table: each service, and its servers below it. Pure. */
import type { ServiceNumbers } from '../director/numbers.js';
import { formatBytes, table, type Column } from './table.js';

export interface StatsAnswer {
  readonly services: readonly ServiceNumbers[];
}

type Which = 'totals' | 'rates';

const columns = (which: Which): readonly Column[] => {
  const per = which === 'rates' ? '/s' : '';
  return [
    { title: 'service' },
    ...['connections', 'in packets', 'out packets', 'in', 'out'].map((title): Column => ({
      title: `${title}${per}`,
      align: 'right',
    })),
  ];
};

export function statsLines({ services }: StatsAnswer, which: Which, width: number): string[] {
  const row = (name: string, numbers: Pick<ServiceNumbers, Which>): string[] => {
    const { connections, inPackets, outPackets, inBytes, outBytes } = numbers[which];
    return [
      name,
      whole(connections),
      whole(inPackets),
      whole(outPackets),
      formatBytes(inBytes),
      formatBytes(outBytes),
    ];
  };
  return table(
    columns(which),
    services.flatMap((service) => [
      row(service.service, service),
      ...service.servers.map((server) => row(`  ${server.server}`, server)),
    ]),
    width,
  );
}

const whole = (value: number): string => String(Math.round(value));
