// SPDX-License-Identifier: Apache-2.0
/**
 * JSON that means the same and moves no cursor. JSON leaves DEL, C1 controls and what turns the direction of text as they are;
 * whoever reads an answer with curl has it on a terminal, and a file's name or a header's value may have any of them.
 */
export const inertJson = (json: string): string =>
  json.replace(
    /[\u007f-\u009f\p{Bidi_Control}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
