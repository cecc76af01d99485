// SPDX-License-Identifier: Apache-2.0
/** Every scenario there is. */
import type { Topic } from './scenario.js';
import { tcp } from './scenarios/tcp.js';

export const topics: readonly Topic[] = [tcp];
