// SPDX-License-Identifier: Apache-2.0
/**
 * How many columns of a terminal a text takes: none for marks that stand on the letter before, two for East Asian letters and
 * pictures (Unicode Standard Annex 11), one for all else. Names come from people who write in such letters. Pure.
 */

const plain = /^[\x20-\x7e]*$/;
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\p{Emoji_Presentation}\u{20000}-\u{3fffd}]/u;
const narrowless = /[\p{Mn}\p{Me}\p{Cf}]/u;

export function widthOf(text: string): number {
  if (plain.test(text)) return text.length;
  let width = 0;
  for (const letter of text) width += widthOfLetter(letter);
  return width;
}

/** As it is where there is room for it, else its beginning with an ellipsis; never half a letter. */
export function shortened(text: string, room: number): string {
  if (widthOf(text) <= room) return text;
  let [kept, width] = ['', 0];
  for (const letter of text) {
    width += widthOfLetter(letter);
    if (width > room - 1) break;
    kept += letter;
  }
  return room < 1 ? '' : `${kept}…`;
}

export function padded(text: string, room: number, align: 'left' | 'right'): string {
  const spaces = ' '.repeat(Math.max(0, room - widthOf(text)));
  return align === 'right' ? `${spaces}${text}` : `${text}${spaces}`;
}

function widthOfLetter(letter: string): number {
  if (plain.test(letter)) return 1;
  if (narrowless.test(letter)) return 0;
  return wide.test(letter) ? 2 : 1;
}
