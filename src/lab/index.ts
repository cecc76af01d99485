// SPDX-License-Identifier: Apache-2.0
/** The lab: network namespaces on this machine, and the demo built from them. */
export { runDemo, type DemoOptions } from './demo.js';
export { connect, must, Namespace, removeNamespace, waitFor, type End } from './namespaces.js';
