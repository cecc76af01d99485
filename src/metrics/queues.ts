// SPDX-License-Identifier: Apache-2.0
/**
 * The queues of the device, one native thread each. docs/metrics.md states the equations these obey; they are the
 * reason for counting passed and generated packets apart.
 */
import type { QueueCounters } from '../dataplane/dataplane.js';
import type { MetricDefinition, Sample, Series } from './definition.js';

type Split = Readonly<Record<string, number>>;

function* perQueue({ counters }: Sample, value: (queue: QueueCounters) => number): Generator<Series> {
  for (const queue of counters.queues) yield { labels: { queue: String(queue.queue) }, value: value(queue) };
}

function* perQueueAnd(
  { counters }: Sample,
  label: string,
  split: (queue: QueueCounters) => Split,
): Generator<Series> {
  for (const queue of counters.queues) {
    for (const [name, value] of Object.entries(split(queue))) {
      yield { labels: { queue: String(queue.queue), [label]: name }, value };
    }
  }
}

const counter = (
  name: string,
  help: string,
  value: (queue: QueueCounters) => number,
  type: 'counter' | 'gauge' = 'counter',
): MetricDefinition => ({ name, help, type, labels: ['queue'], series: (sample) => perQueue(sample, value) });

const splitCounter = (
  name: string,
  help: string,
  label: string,
  split: (queue: QueueCounters) => Split,
): MetricDefinition => ({
  name,
  help,
  type: 'counter',
  labels: ['queue', label],
  series: (sample) => perQueueAnd(sample, label, split),
});

export const queueMetrics: readonly MetricDefinition[] = [
  splitCounter('vsnat_queue_packets_total', 'Packets read (rx) and written (tx).', 'direction', (queue) => ({
    rx: queue.rxPackets,
    tx: queue.txPackets,
  })),
  splitCounter(
    'vsnat_queue_bytes_total',
    'Bytes of those packets, IP headers included.',
    'direction',
    (queue) => ({
      rx: queue.rxBytes,
      tx: queue.txBytes,
    }),
  ),
  counter(
    'vsnat_queue_forwarded_total',
    'Packets translated, in either direction.',
    (queue) => queue.forwarded,
  ),
  counter(
    'vsnat_queue_passed_total',
    'Packets given back untouched, because they belong to no connection and no virtual service.',
    (queue) => queue.passed,
  ),
  counter(
    'vsnat_queue_fragments_held_total',
    'Pieces of datagrams put aside because they came before their first, or of SCTP before the last.',
    (queue) => queue.fragmentsHeld,
  ),
  counter(
    'vsnat_queue_fragments_released_total',
    'Held pieces that went on behind their first, or were given up.',
    (queue) => queue.fragmentsReleased,
  ),
  splitCounter(
    'vsnat_packets_dropped_total',
    'Packets that ended here, by reason; docs/metrics.md explains each.',
    'reason',
    (queue) => queue.dropped,
  ),
  splitCounter(
    'vsnat_packets_generated_total',
    'Packets the director made itself, by kind: resets, ICMP errors, echo replies.',
    'kind',
    (queue) => queue.generated,
  ),
  counter('vsnat_queue_tx_failed_total', 'Packets the device refused to take.', (queue) => queue.txFailed),
  counter('vsnat_queue_gso_packets_total', 'Superpackets (TSO, USO) read.', (queue) => queue.rxGso),
  counter(
    'vsnat_queue_gso_resegmented_total',
    'Superpackets the kernel refused and vsnat cut up itself.',
    (queue) => queue.gsoResegmented,
  ),
  splitCounter('vsnat_queue_syscalls_total', 'System calls of the packet path.', 'op', (queue) => ({
    read: queue.syscallsRead,
    write: queue.syscallsWrite,
    poll: queue.syscallsPoll,
  })),
  counter(
    'vsnat_queue_direct_packets_total',
    'Packets that left as frames, past the kernel’s second routing; part of those transmitted.',
    (queue) => queue.directPackets,
  ),
  counter(
    'vsnat_queue_shortcut_packets_total',
    'Packets that went through the kernel alone, past the device; part of those read, forwarded and written.',
    (queue) => queue.shortcutPackets,
  ),
  counter(
    'vsnat_queue_shortcut_bytes_total',
    'Bytes of those packets, IP headers included.',
    (queue) => queue.shortcutBytes,
  ),
  counter(
    'vsnat_queue_direct_unresolved_total',
    'Packets that would have left as frames, had their next hop been known; the kernel routed them.',
    (queue) => queue.directUnresolved,
  ),
  counter(
    'vsnat_queue_direct_refused_total',
    'Frames the interface did not take; the kernel routed the packets.',
    (queue) => queue.directRefused,
  ),
  counter(
    'vsnat_queue_foreign_flows_total',
    'Packets whose connection was opened by another queue; 0 while steering holds.',
    (queue) => queue.foreignFlows,
  ),
  counter(
    'vsnat_queue_suspect_resets_total',
    'TCP resets whose sequence number cannot be right: forwarded, but without effect on the connection here.',
    (queue) => queue.suspectResets,
  ),
  counter(
    'vsnat_queue_ambiguous_replies_total',
    'Datagrams of a server that several one-packet services have: passed, since nobody knows whose replies they are.',
    (queue) => queue.ambiguousReplies,
  ),
  counter(
    'vsnat_queue_ftp_announced_total',
    'Data connections that FTP helpers learnt of on control connections.',
    (queue) => queue.ftpAnnounced,
  ),
  counter(
    'vsnat_queue_ftp_ignored_total',
    'What FTP helpers could not make use of: lines they did not understand or believe, control connections too many.',
    (queue) => queue.ftpIgnored,
  ),
  counter(
    'vsnat_queue_busy_seconds_total',
    "CPU time of the queue's thread, the kernel's work for it included.",
    (queue) => queue.busyNanoseconds / 1e9,
  ),
  counter(
    'vsnat_queue_generation',
    'Generation of the snapshot the queue works with.',
    (queue) => queue.generation,
    'gauge',
  ),
];
