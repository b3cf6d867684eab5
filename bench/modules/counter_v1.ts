/** Counts its calls, and hands the count over: a call that is lost or answered twice leaves a gap or a double. */
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
