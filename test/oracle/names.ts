// SPDX-License-Identifier: Apache-2.0
/**
 * Names for addresses, so that traces read, and so that every scenario can have addresses of its own without the trace
 * depending on how many scenarios were played before it: connections of one never meet those of another.
 *
 *   client, client2 … client99   10.16.N.2 …   vip … vip3   10.32.N.1 …   (N: the scenario's number in this run,
 *                                                                           carried into the second byte)
 *   client-net                   10.16.N.0
 *   rs1 … rs3                    10.2.I.2      director     10.1.0.1 (towards clients), director-rsI (towards a server)
 *   the same with -v6
 *
 * The hashing schedulers look at addresses, so their scenarios use literal ones.
 */
export type Family = 4 | 6;

const kinds: Readonly<Record<string, (n: number, i: number, family: Family) => string>> = {
  client: (n, i, family) =>
    family === 4
      ? `10.${16 + (n >> 8)}.${n & 255}.${i + 1}`
      : `fd00:1:${n.toString(16)}::${(i + 1).toString(16)}`,
  'client-net': (n, _, family) =>
    family === 4 ? `10.${16 + (n >> 8)}.${n & 255}.0` : `fd00:1:${n.toString(16)}::`,
  vip: (n, i, family) =>
    family === 4 ? `10.${32 + (n >> 8)}.${n & 255}.${i}` : `fd00:9:${n.toString(16)}::${i}`,
  rs: (_, i, family) => (family === 4 ? `10.2.${i}.2` : `fd00:2:${i}::2`),
  'director-rs': (_, i, family) => (family === 4 ? `10.2.${i}.1` : `fd00:2:${i}::1`),
  director: (_n, _i, family) => (family === 4 ? '10.1.0.1' : 'fd00:1::1'),
};

const most: Readonly<Record<string, number>> = {
  client: 99,
  'client-net': 1,
  vip: 3,
  rs: 3,
  'director-rs': 3,
  director: 1,
};
/** There is but one of them, so it has no number. */
const single: readonly string[] = ['director', 'client-net'];
const namePattern = /\b(client-net|client|vip|director-rs|director|rs)(\d*)(-v6)?(?::(\d+))?\b(?![-\w])/g;

export const mostScenarios = 4000;

export class Names {
  readonly #byAddress = new Map<string, string>();

  constructor(readonly scenario: number) {
    if (scenario < 1 || scenario > mostScenarios)
      throw new RangeError(`scenario number: must be 1..${mostScenarios}, got ${scenario}`);
    for (const [kind, address] of Object.entries(kinds)) {
      for (let i = 1; i <= (most[kind] ?? 0); i += 1) {
        const name =
          single.includes(kind) || (i === 1 && (kind === 'client' || kind === 'vip')) ? kind : `${kind}${i}`;
        for (const family of [4, 6] as const)
          this.#byAddress.set(address(scenario, i, family), name + (family === 6 ? '-v6' : ''));
      }
    }
  }

  /** The address of a name; anything else is taken for an address already. */
  address(name: string): string {
    const match = new RegExp(`^${namePattern.source}$`).exec(name);
    if (match === null) return name;
    const [, kind = '', index, v6] = match;
    return kinds[kind]?.(this.scenario, index === '' ? 1 : Number(index), v6 === undefined ? 4 : 6) ?? name;
  }

  /** The name of an address; the address itself when it has none. */
  name(address: string): string {
    return this.#byAddress.get(address) ?? address;
  }

  /** `vip:80` becomes 10.9.1.1:80, `vip-v6:80` [fd00:9:1::1]:80, wherever they stand. */
  expand(text: string): string {
    return text.replace(
      namePattern,
      (name, _kind, _index, v6: string | undefined, port: string | undefined) => {
        const address = this.address(port === undefined ? name : name.slice(0, -port.length - 1));
        if (port === undefined) return address;
        return v6 === undefined ? `${address}:${port}` : `[${address}]:${port}`;
      },
    );
  }

  /** The other way round: ADDRESS:PORT, or [ADDRESS]:PORT for IPv6. */
  shorten(endpoint: string): string {
    const [, bracketed, bare, port = ''] = /^(?:\[(.*)\]|([^:]*)):(\d+)$/.exec(endpoint) ?? [];
    const name = this.name(bracketed ?? bare ?? '');
    return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`;
  }
}
