// SPDX-License-Identifier: Apache-2.0
/** What packets tell about real servers in passing (dataplane/signals.ts), and nobody asked them. */
import { latencyBounds } from '../dataplane/signals.js';
import type { HistogramDefinition, HistogramSeries, MetricDefinition, Told } from './definition.js';
import { labelsOf, numberOf, ofServer, rowText, splitOf } from './rows.js';
import type { HistogramSum, ServerSum, TimesSum } from './sums.js';

function histogram(name: string, help: string, of: (times: TimesSum) => HistogramSum): HistogramDefinition {
  const series = function* ({ view }: Told): Generator<HistogramSeries> {
    for (const row of view.timed) {
      const { counts, sum } = of(row.sum);
      yield { labels: labelsOf(row, ofServer), labelText: rowText(row, ofServer), counts, sum };
    }
  };
  return { name, help, type: 'histogram', labels: ofServer, bounds: latencyBounds, rows: 'timed', series };
}

const signal =
  (name: Exclude<keyof ServerSum, 'add'>) =>
  (sum: ServerSum): number =>
    sum[name];

export const signalMetrics: readonly MetricDefinition[] = [
  histogram(
    'vsnat_server_handshake_seconds',
    'TCP: SYN to SYN-ACK; SCTP: INIT to INIT ACK. As seen here, so without the way between client and director.',
    ({ handshake }) => handshake,
  ),
  histogram(
    'vsnat_server_first_byte_seconds',
    'First payload of the client to the first payload back. UDP: first datagram to first reply.',
    ({ firstByte }) => firstByte,
  ),
  numberOf(
    'servers',
    'vsnat_server_handshakes_ambiguous_total',
    'Handshakes answered after the client had repeated itself: counted, not timed (Karn).',
    'counter',
    ofServer,
    signal('handshakesAmbiguous'),
  ),
  numberOf(
    'servers',
    'vsnat_server_first_bytes_ambiguous_total',
    'First replies that came after the client had repeated itself: counted, not timed.',
    'counter',
    ofServer,
    signal('firstBytesAmbiguous'),
  ),
  numberOf(
    'servers',
    'vsnat_server_syn_repeated_total',
    'SYNs and INITs that clients sent again while there was no answer: the first sign of a server that is gone.',
    'counter',
    ofServer,
    signal('synRepeated'),
  ),
  numberOf(
    'servers',
    'vsnat_server_syn_unanswered_total',
    'Connections whose time ran out without any answer to their SYN or INIT.',
    'counter',
    ofServer,
    signal('synUnanswered'),
  ),
  splitOf(
    'servers',
    'vsnat_server_resets_total',
    'Connections the server ended by RST or ABORT: handshake, it refused them; established, it had answered before.',
    'counter',
    [...ofServer, 'phase'],
    { handshake: signal('handshakesRefused'), established: signal('resets') },
  ),
  numberOf(
    'servers',
    'vsnat_server_unreachable_total',
    'ICMP destination unreachable about packets to the server, from itself or a router; not path MTU.',
    'counter',
    ofServer,
    signal('unreachable'),
  ),
  splitOf(
    'servers',
    'vsnat_server_retransmissions_total',
    'TCP segments sent again, payload, SYN-ACK or FIN, all of which had been seen before: in, from clients; out, from the server.',
    'counter',
    [...ofServer, 'direction'],
    { in: signal('retransmissionsIn'), out: signal('retransmissionsOut') },
  ),
];
