// SPDX-License-Identifier: Apache-2.0
/**
 * The doctor: every reason known to us why a VS/NAT set-up does not work, as small checks over facts. survey() gathers
 * the facts, `checks` judge them; docs/doctor.md lists them.
 */
import * as firewall from './checks/firewall.js';
import * as forwarding from './checks/forwarding.js';
import * as links from './checks/links.js';
import * as machine from './checks/machine.js';
import * as servers from './checks/servers.js';
import * as vips from './checks/vips.js';
import type { Facts } from './facts.js';
import { examine, type Check, type Examined } from './finding.js';

/** In the order in which a person would look. */
export const checks: readonly Check<Facts>[] = [
  machine.tunDriver,
  machine.capabilities,
  machine.adminSocket,
  machine.deviceHolder,
  machine.bpf,
  machine.kernel,
  machine.descriptors,
  forwarding.ipForward,
  forwarding.linkForwarding,
  forwarding.rpFilter,
  forwarding.acceptLocal,
  forwarding.ownSteps,
  forwarding.routes,
  forwarding.redirects,
  firewall.forwardPolicy,
  firewall.sourceNat,
  firewall.conntrack,
  vips.vipPlace,
  vips.vipRival,
  vips.vipLocal,
  vips.sameSubnet,
  servers.reachable,
  servers.wayBack,
  servers.distant,
  links.carriers,
  links.lro,
  links.mtu,
];

export const diagnose = (facts: Facts): readonly Examined[] => examine(checks, facts);

export type { DaemonFacts, Facts, Wanted } from './facts.js';
export type { Examined, Finding, Level } from './finding.js';
export { connectForReal, type Connect } from './probe.js';
export { survey, type Asked } from './survey.js';
