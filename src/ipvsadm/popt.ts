// SPDX-License-Identifier: Apache-2.0
/**
 * Options as popt reads them, which ipvsadm is built on: long names in full, short ones in bundles, `-s=rr` and
 * `-srr` like `-s rr`, other words anywhere between, complaints that quote the whole word.
 */
export interface OptionSpec {
  readonly long: string;
  /** Each letter is a short form. */
  readonly shorts: string;
  /** optional: the next word, unless that starts with a dash. */
  readonly argument: 'none' | 'required' | 'optional';
}

export type OptionStep<S extends OptionSpec> =
  | {
      readonly kind: 'option';
      readonly spec: S;
      readonly value: string | undefined;
      /** The last word read for it; popt quotes that one when its caller complains. */
      readonly word: string;
    }
  | { readonly kind: 'mistake'; readonly word: string; readonly complaint: string }
  | { readonly kind: 'end' };

export class OptionReader<S extends OptionSpec> {
  readonly #words: readonly string[];
  readonly #specs: readonly S[];
  /** Words that are no options, so far. */
  readonly others: string[] = [];
  #at = 0;
  /** What is left of a bundle of short options, and the word it came from. */
  #bundle = '';
  #word = '';

  constructor(words: readonly string[], specs: readonly S[]) {
    this.#words = words;
    this.#specs = specs;
  }

  next(): OptionStep<S> {
    if (this.#bundle !== '') return this.#short();
    for (;;) {
      const word = this.#words[this.#at++];
      if (word === undefined) return { kind: 'end' };
      this.#word = word;
      if (word === '--') {
        this.others.push(...this.#words.slice(this.#at));
        this.#at = this.#words.length;
      } else if (word.startsWith('--')) {
        return this.#long(word.slice(2));
      } else if (word.startsWith('-') && word !== '-') {
        this.#bundle = word.slice(1);
        return this.#short();
      } else {
        this.others.push(word);
      }
    }
  }

  #long(text: string): OptionStep<S> {
    const equals = text.indexOf('=');
    const name = equals < 0 ? text : text.slice(0, equals);
    const spec = this.#specs.find((one) => one.long === name);
    if (spec === undefined) return this.#mistake('unknown option');
    return this.#withArgument(spec, equals < 0 ? undefined : text.slice(equals + 1));
  }

  #short(): OptionStep<S> {
    const letter = this.#bundle.charAt(0);
    const rest = this.#bundle.slice(1);
    const spec = this.#specs.find((one) => one.shorts.includes(letter));
    if (spec === undefined) return this.#mistake('unknown option');
    if (spec.argument === 'none' && !rest.startsWith('=')) {
      this.#bundle = rest;
      return { kind: 'option', spec, value: undefined, word: this.#word };
    }
    return this.#withArgument(spec, rest === '' ? undefined : rest.replace(/^=/, ''));
  }

  #withArgument(spec: S, attached: string | undefined): OptionStep<S> {
    this.#bundle = '';
    const found = (value: string | undefined, word = this.#word): OptionStep<S> => ({
      kind: 'option',
      spec,
      value,
      word,
    });
    if (spec.argument === 'none') {
      return attached === undefined ? found(undefined) : this.#mistake('option does not take an argument');
    }
    if (attached !== undefined) return found(attached);
    const following = this.#words[this.#at];
    if (spec.argument === 'optional' && (following === undefined || following.startsWith('-')))
      return found(undefined);
    if (following === undefined) return this.#mistake('missing argument');
    this.#at += 1;
    return found(following, following);
  }

  #mistake(complaint: string): OptionStep<S> {
    this.#bundle = '';
    return { kind: 'mistake', word: this.#word, complaint };
  }
}
