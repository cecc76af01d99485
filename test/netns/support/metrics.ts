// SPDX-License-Identifier: Apache-2.0
/** Reads the Prometheus text format, and holds the counters against the equations docs/metrics.md states. */

interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export class Metrics {
  readonly #series: readonly Series[];

  constructor(readonly text: string) {
    this.#series = text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map(parseLine);
  }

  /** Sum over all series of this name that carry these labels; 0 when there is none. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.#matching(name, labels).reduce((total, { value }) => total + value, 0);
  }

  /** Sums by the values of one label. */
  by(label: string, name: string): Record<string, number> {
    const sums: Record<string, number> = {};
    for (const series of this.#matching(name, {})) {
      const key = series.labels[label] ?? '';
      sums[key] = (sums[key] ?? 0) + series.value;
    }
    return sums;
  }

  has(name: string): boolean {
    return this.#matching(name, {}).length > 0;
  }

  /** One sentence for each equation that does not hold; of queues per queue, because each obeys them alone. */
  violations(): string[] {
    const broken: string[] = [];
    for (const queue of Object.keys(this.by('queue', 'vsnat_queue_packets_total'))) {
      const of = (name: string, labels: Readonly<Record<string, string>> = {}): number =>
        this.sum(name, { queue, ...labels });
      const rx = of('vsnat_queue_packets_total', { direction: 'rx' });
      const tx = of('vsnat_queue_packets_total', { direction: 'tx' });
      const kept = of('vsnat_queue_forwarded_total') + of('vsnat_queue_passed_total');
      const dropped = of('vsnat_packets_dropped_total');
      const generated = of('vsnat_packets_generated_total');
      const failed = of('vsnat_queue_tx_failed_total');
      const held = of('vsnat_queue_fragments_held_total') - of('vsnat_queue_fragments_released_total');
      if (rx !== kept + dropped + held) {
        broken.push(
          `queue ${queue}: rx ${rx} is not forwarded + passed ${kept} + dropped ${dropped} + held ${held}`,
        );
      }
      if (tx !== kept + generated - failed) {
        broken.push(
          `queue ${queue}: tx ${tx} is not forwarded + passed ${kept} + generated ${generated} - failed ${failed}`,
        );
      }
      const [direct, forwarded] = [of('vsnat_queue_direct_packets_total'), of('vsnat_queue_forwarded_total')];
      if (direct > forwarded)
        broken.push(`queue ${queue}: ${direct} packets left as frames, and only ${forwarded} were forwarded`);
    }
    return [...broken, ...this.#carried(), ...this.#ownWork(), ...this.#handshakesBeyondConnections()];
  }

  /** Packets that were forwarded and belong to no server that is told of, and to no health check. */
  get nobodysPackets(): number {
    const told = this.sum('vsnat_server_packets_total') + this.sum('vsnat_health_packets_total');
    return this.sum('vsnat_queue_forwarded_total') - told;
  }

  /** Removed servers take their packets along, so some may be nobody's; fewer than none cannot be. */
  #carried(): string[] {
    const nobodys = this.nobodysPackets;
    return nobodys < 0 ? [`${-nobodys} packets more are said of servers and checks than were forwarded`] : [];
  }

  /** Histograms of the daemon's own work, and counters of the same. */
  #ownWork(): string[] {
    const same = (what: string, ...counts: readonly number[]): string[] =>
      counts.every((count) => count === counts[0]) ? [] : [`${what}: ${counts.join(' is not ')}`];
    const timed = this.by('route', 'vsnat_admin_request_seconds_count');
    return [
      ...same(
        'reloads',
        this.sum('vsnat_config_reload_seconds_count'),
        this.sum('vsnat_config_reloads_total'),
      ),
      ...same(
        'publishes',
        this.sum('vsnat_config_publish_seconds_count'),
        this.sum('vsnat_config_swap_seconds_count'),
        this.sum('vsnat_config_publishes_total'),
      ),
      ...Object.entries(this.by('route', 'vsnat_admin_requests_total')).flatMap(([route, count]) =>
        same(`requests of ${route}`, timed[route] ?? 0, count),
      ),
    ];
  }

  /** Servers that are said to have had more handshakes than connections. */
  #handshakesBeyondConnections(): string[] {
    return this.#matching('vsnat_server_connections_total', {}).flatMap(({ labels, value }) => {
      const handshakes =
        this.sum('vsnat_server_handshake_seconds_count', labels) +
        this.sum('vsnat_server_handshakes_ambiguous_total', labels) +
        this.sum('vsnat_server_syn_unanswered_total', labels) +
        this.sum('vsnat_server_resets_total', { ...labels, phase: 'handshake' });
      if (handshakes <= value) return [];
      return [
        `server ${labels.server} of ${labels.service}: ${handshakes} handshakes of ${value} connections`,
      ];
    });
  }

  #matching(name: string, labels: Readonly<Record<string, string>>): Series[] {
    return this.#series.filter(
      (series) =>
        series.name === name && Object.entries(labels).every(([key, value]) => series.labels[key] === value),
    );
  }
}

function parseLine(line: string): Series {
  const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
  if (match === null) throw new Error(`not a line of metrics: ${line}`);
  const [, name = '', labelText = '', value = ''] = match;
  const labels: Record<string, string> = {};
  for (const [, key = '', text = ''] of labelText.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[key] = text;
  return { name, labels, value: Number(value) };
}
