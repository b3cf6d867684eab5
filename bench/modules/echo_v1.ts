/** Returns its input. It has no state, so a swap needs no pause. */
export default class Echo {
  static readonly version: string = "1";

  call({ id }: { readonly id: number }): { readonly id: number } {
    return { id };
  }
}
