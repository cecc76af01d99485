// SPDX-License-Identifier: Apache-2.0
/**
 * What a scheduler hands to the dataplane: an immutable table the C++ side picks from, once per new connection.
 * JavaScript is never called per packet or per connection; a policy that wants to change its mind publishes a new
 * plan. A `ServerIndex` is a position in the service's own list of servers (the order of the configuration).
 */

/** A position in the service's own list of servers, from 0. */
export type ServerIndex = number;

/** Take the steps in turn: `lead` once, then `loop` for ever. A step whose server is unusable is skipped. */
export interface CyclePlan {
  readonly kind: 'cycle';
  readonly lead: readonly ServerIndex[];
  readonly loop: readonly ServerIndex[];
}

/**
 * slots[H] names the server. -1 is an empty slot. The address is the client's with `on: 'source'`, else the VIP.
 *
 * golden (sh, dh): H = ((fold(address) + port) * 0x61C88647 mod 2^32) >> (32 - log2(slots.length));
 *   slots.length must be a power of two. Fallback probes (H + (H + k)) mod length for k = 0, 1, ...
 * siphash (mh): H = SipHash-1-3(fold(address) + port) mod slots.length, with the kernel's fixed key
 *   (2654435761, 2654435761). Fallback: the k-th try hashes ((k + H) mod length) + port + fold(address).
 * `port` is the client port when usePort, else 0. fold() is the IPv4 address as a host-order integer, or the XOR of
 * the four 32-bit words of an IPv6 address. (Linux ip_vs_sh.c, ip_vs_dh.c, ip_vs_mh.c, 6.12.)
 */
export interface HashPlan {
  readonly kind: 'hash';
  readonly function: 'golden' | 'siphash';
  readonly on: 'source' | 'destination';
  readonly usePort: boolean;
  readonly fallback: boolean;
  readonly slots: readonly ServerIndex[];
}

/**
 * The server with the least (active * activeCost + inactive * inactiveCost + constant) / weight, or undivided when
 * `weighted` is false; ties go to the earlier one in `order`. Counts are the live ones at the moment of the pick.
 *
 * Compared are `all` usable servers; or, with `idle-first`, the first one without an active connection is taken
 * where there is one; or only `two`, each drawn at random by weight (one may be drawn twice; ties stay with the
 * first draw). A draw is r in 0..sum of the usable weights, both included, and means the first server in `order`
 * at which r minus the weights so far is 0 or less.
 *
 * `two-distinct` draws two different servers where there are two: r in 0..sum of the usable weights, without the sum
 * itself, means the first server in `order` at which the weights so far exceed r; the second draw leaves the first
 * server out. So a server that is dear to a plan never competes with itself.
 */
export interface LeastPlan {
  readonly kind: 'least';
  readonly among: 'all' | 'idle-first' | 'two' | 'two-distinct';
  readonly activeCost: number;
  readonly inactiveCost: number;
  readonly constant: number;
  readonly weighted: boolean;
  readonly order: readonly ServerIndex[];
  /**
   * What each server's cost is multiplied by, 1..65535, one for every server of the service in its own order: how a
   * scheduler says that one server is slower than another. Left out: 1 for all.
   */
  readonly factors?: readonly number[];
}

/** The first usable server in `order`; with `overflow`, only while its active connections are not above its weight. */
export interface FirstPlan {
  readonly kind: 'first';
  readonly overflow: boolean;
  readonly order: readonly ServerIndex[];
}

/**
 * A destination address (VIP) stays with the server that got its first connection. Only when that one is gone, has no
 * weight or is crowded, the least of `order` by (active * activeCost + inactive * inactiveCost) / weight takes its
 * place. Crowded is a server with more active connections than its weight, while any server of the service has less
 * than half of its own. A destination nobody asked for in `forgetSeconds` is forgotten.
 *
 * With `replicate` the newcomer joins instead: the destination has a set of servers, of which the least takes the
 * connection (ties to the newest member). A set of several that did not change for `forgetSeconds` loses its greatest.
 *
 * The dataplane keeps this memory, and carries it over to the next snapshot for the servers that stay.
 */
export interface LocalPlan {
  readonly kind: 'local';
  readonly replicate: boolean;
  readonly activeCost: number;
  readonly inactiveCost: number;
  readonly forgetSeconds: number;
  readonly order: readonly ServerIndex[];
}

/**
 * Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam, SODA 2018). The walk begins at slot H as of a
 * siphash HashPlan, and goes on to H + 1, H + 2, ... around the table. The first usable server met that is below its
 * bound takes the connection: its load * 100 * W < boundPercent * (L + 1) * weight, where L and W are the loads and
 * weights of all usable servers of the service. When all in the table are at their bound, the first usable one met
 * serves. Loads are the live active connections, or with `counted: 'all'` the inactive ones as well. -1 is an empty slot.
 */
export interface BoundedPlan {
  readonly kind: 'bounded';
  readonly on: 'source' | 'destination';
  readonly usePort: boolean;
  /** 100 is the mean load exactly; 125 lets a server have a quarter more. */
  readonly boundPercent: number;
  readonly counted: 'active' | 'all';
  readonly slots: readonly ServerIndex[];
}

/** What a scheduler answers: one of six kinds of tables the dataplane picks from. */
export type Plan = CyclePlan | HashPlan | LeastPlan | FirstPlan | LocalPlan | BoundedPlan;
