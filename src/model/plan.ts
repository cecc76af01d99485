// SPDX-License-Identifier: Apache-2.0
/**
 * What a scheduler hands to the dataplane: an immutable table the C++ side picks from, once per new connection.
 * JavaScript is never called per packet or per connection; a policy that wants to change its mind publishes a new
 * plan. A `ServerIndex` is a position in the service's own list of servers (the order of the configuration).
 */

export type ServerIndex = number;

/** Take the steps in turn: `lead` once, then `loop` for ever. A step whose server is unusable is skipped. */
export interface CyclePlan {
  readonly kind: 'cycle';
  readonly lead: readonly ServerIndex[];
  readonly loop: readonly ServerIndex[];
}

/**
 * slots[H] names the server. -1 is an empty slot.
 *
 * golden (sh): H = ((fold(client address) + port) * 0x61C88647 mod 2^32) >> (32 - log2(slots.length));
 *   slots.length must be a power of two. Fallback probes (H + (H + k)) mod length for k = 0, 1, ...
 * siphash (mh): H = SipHash-1-3(fold(client address) + port) mod slots.length, with the kernel's fixed key
 *   (2654435761, 2654435761). Fallback: the k-th try hashes ((k + H) mod length) + port + fold(address).
 * `port` is the client port when usePort, else 0. fold() is the IPv4 address as a host-order integer, or the XOR of
 * the four 32-bit words of an IPv6 address. (Linux ip_vs_sh.c, ip_vs_mh.c, 6.12.)
 */
export interface HashPlan {
  readonly kind: 'hash';
  readonly function: 'golden' | 'siphash';
  readonly usePort: boolean;
  readonly fallback: boolean;
  readonly slots: readonly ServerIndex[];
}

/**
 * The server with the least (active * activeCost + inactive * inactiveCost + constant) / weight, or undivided when
 * `weighted` is false; ties go to the earlier one in `order`. Counts are the live ones at the moment of the pick.
 */
export interface LeastPlan {
  readonly kind: 'least';
  readonly activeCost: number;
  readonly inactiveCost: number;
  readonly constant: number;
  readonly weighted: boolean;
  readonly order: readonly ServerIndex[];
}

export type Plan = CyclePlan | HashPlan | LeastPlan;
