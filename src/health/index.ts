// SPDX-License-Identifier: Apache-2.0
/** Health checks of real servers: the questions, and the monitor that asks them. docs/health.md. */
export { makeCheckers } from './checkers.js';
export { readAgentLine } from './agent.js';
export type { Answer, Asking, Checker, Checkers, Finish, Target } from './checker.js';
export type { Clock } from './clock.js';
export type { IcmpSocket, IcmpTransport } from './icmp.js';
export type { CheckReport, CheckTarget, CustomCheck } from './module.js';
export type { BadReason, FailureReason, SkippedReason } from './reason.js';
export { createMonitor } from './monitor.js';
export * from './state.js';
