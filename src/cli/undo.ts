// SPDX-License-Identifier: Apache-2.0
/**
 * What a daemon has set up so far, so that a start that fails half-way and an orderly stop are the same thing: take
 * everything down, last first, and let no failure keep the rest from being taken down.
 */
export class UndoStack {
  readonly #undos: { readonly what: string; readonly undo: () => Promise<void> | void }[] = [];

  push(what: string, undo: () => Promise<void> | void): void {
    this.#undos.push({ what, undo });
  }

  async unwind(onFailure: (what: string, error: unknown) => void): Promise<void> {
    for (let last = this.#undos.pop(); last !== undefined; last = this.#undos.pop()) {
      try {
        await last.undo();
      } catch (error) {
        onFailure(last.what, error);
      }
    }
  }
}
