// SPDX-License-Identifier: Apache-2.0
/** The host's plumbing: what must be so, what is set, and how it is undone. docs/host.md is the story. */
export { Host, hostWatchMs, prepareHost, type HostOptions } from './host.js';
export { availablePages, everySecond } from './memory.js';
export { bystanderNotices, type Hear, type Notices } from './notices.js';
export { planHost } from './plan.js';
export type { HostDevice, HostModel } from './plan-context.js';
export { preflight, type HostLog } from './preflight.js';
export { hostAddresses } from './own-addresses.js';
export { hostPrefixes, type OnLinkPrefix } from './prefixes.js';
export { describeAction, type Action, type Step } from './step.js';
export { lookAtWays, type WaysLook } from './ways.js';
export { Watch } from './watch.js';
export { realSystem, type CommandResult, type System } from './system.js';
