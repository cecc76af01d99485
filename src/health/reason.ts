// SPDX-License-Identifier: Apache-2.0
/**
 * Names of why a check failed, for machines: a label, a key to count or to filter by. What exactly happened is in the
 * check's own sentence; docs/health.md lists both.
 */

/** The server's fault, or so a client would say. */
const ofServer = {
  refused: 'nobody listens on the port: RST, or ICMP port unreachable',
  reset: 'the connection was broken off',
  unreachable: 'there is no way to the host, or no host: ICMP, ARP or NDP say so',
  not_connected: 'no connection until the timeout, of https with its TLS',
  timeout: 'no answer, or not all of it, until the timeout',
  tls: 'TLS failed: the certificate, its name, the version',
  protocol: 'what came is not of the protocol, or ends too soon, or does not end',
  status: 'a status, a DNS code or an exit code that is not expected',
  content: 'the body, the reply or the record is not the expected one',
  declared: 'the agent or check() says so',
  program: 'the program could not be run, was ended by a signal, or wrote too much',
  module: 'the module could not be loaded, threw, returned something else, or ended its thread',
  other: 'anything else; the sentence has it',
} as const;

/** This host's own fault: the check was skipped. */
const ofHost = {
  no_resources: 'no file descriptor, memory, buffer or process left here',
  not_permitted: 'not permitted here: a firewall, or a missing capability',
  no_source: 'its source address is not here, or no port of it is left',
  slow_pattern: 'matching the pattern takes too long',
  busy: 'too many programs of checks are running',
  held_up: 'the module was being loaded, or busy with other checks, and check() was not called',
  unsupported: 'this build cannot make such checks',
  no_way: 'there is no way through the VIP just now',
} as const;

/** Why a check was bad. */
export type BadReason = keyof typeof ofServer;
/** Why a check was skipped. */
export type SkippedReason = keyof typeof ofHost;
/** Why a check was bad or was skipped; docs/health.md says what each means. */
export type FailureReason = BadReason | SkippedReason;

/** All of them with what they mean, in the order in which they are listed. */
export const failureReasons: Readonly<Record<FailureReason, string>> = { ...ofServer, ...ofHost };
export const failureReasonNames = Object.keys(failureReasons) as readonly FailureReason[];

export const isSkippedReason = (reason: FailureReason): reason is SkippedReason => reason in ofHost;
