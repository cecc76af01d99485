// SPDX-License-Identifier: Apache-2.0
/** The one shape of every answer that is not a success. */
import { Type } from '@sinclair/typebox';

import { refusalReasons } from '../../director/change-refused.js';
import { errorCodes, type ErrorCode } from '../../errors.js';
import { oneOf, text } from './words.js';

export const errorSchema = Type.Object({
  error: Type.Object({
    code: oneOf(['HTTP', ...(Object.keys(errorCodes) as ErrorCode[])]),
    message: text,
    problems: Type.Optional(
      Type.Array(text, { description: 'Of a configuration: one line for each mistake.' }),
    ),
    reason: Type.Optional(oneOf(refusalReasons)),
  }),
});
