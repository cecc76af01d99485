// SPDX-License-Identifier: Apache-2.0
/** The nouns of vsnat. Imports nothing but errors; everything else may import it. */
export * from './address.js';
export * from './custom-scheduler.js';
export * from './endpoint.js';
export * from './health.js';
export * from './mark.js';
export * from './model.js';
export * from './parsed.js';
export * from './persistence.js';
export * from './plan-failure.js';
export * from './plan.js';
export * from './prefix.js';
export * from './service.js';
export * from './sysctls.js';
export * from './through-vip.js';
export * from './timeouts.js';
export * from './weight.js';
