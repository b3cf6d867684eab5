/**
 * Counts its calls, and hands the count over. A lost call leaves a gap, and a call that is answered twice a duplicate.
 */
export default class Counter {
  static readonly version: string = "1";
  #count = 0;

  call({ id }: { readonly id: number }): { readonly id: number; readonly count: number } {
    this.#count += 1;
    return { id, count: this.#count };
  }

  count(): number {
    return this.#count;
  }

  exportState(): number {
    return this.#count;
  }

  importState(count: number): void {
    this.#count = count;
  }
}
