// SPDX-License-Identifier: Apache-2.0
/** The package's version, from its own package.json: src/cli and dist/cli are equally deep. */
import { createRequire } from 'node:module';

export const version = (createRequire(import.meta.url)('../../package.json') as { readonly version: string })
  .version;
