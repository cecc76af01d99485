// SPDX-License-Identifier: Apache-2.0
import { Type } from '@sinclair/typebox';

/** Pages are for who wants them: an answer is written piece by piece, however long. */
export const paging = {
  cursor: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: Number.MAX_SAFE_INTEGER,
      description: '`next` of the page before; 0 for the first. A place in the order of the configuration.',
    }),
  ),
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 100_000, description: 'Rows of a page; all of them when absent.' }),
  ),
};
