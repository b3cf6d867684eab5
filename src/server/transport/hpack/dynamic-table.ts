/** What an entry counts for beyond its name and value (RFC 7541, 4.1). */
export const ENTRY_OVERHEAD = 32;
const FIRST_SLOTS = 16;

/** The fields that a client has added to its table, the newest first (RFC 7541, 2.3.2). Adding a field evicts the oldest. */
export class DynamicTable {
  /** Number of entries. */
  count = 0;
  /** A ring. The slots are a power of two. */
  #names: string[] = [];
  #values: string[] = [];
  /** The slot of the next entry. */
  #next = 0;
  #bytes = 0;
  #most: number;

  /** `most`: largest size of the table, in bytes. */
  constructor(most: number) {
    this.#most = most;
  }

  /** The name of the entry at `age`, which must be below `count`. The newest has the age 0. */
  name(age: number): string {
    return this.#names[this.#slot(age)] as string;
  }

  /** The value of the entry at `age`, which must be below `count`. */
  value(age: number): string {
    return this.#values[this.#slot(age)] as string;
  }

  /** Adds an entry. One that is larger than the table empties it, and is not kept. */
  add(name: string, value: string): void {
    const bytes = name.length + value.length + ENTRY_OVERHEAD;
    this.#evict(this.#most - bytes);
    if (bytes > this.#most) return;
    if (this.count === this.#names.length) this.#grow();
    this.#names[this.#next] = name;
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) & (this.#names.length - 1);
    this.#bytes += bytes;
    this.count += 1;
  }

  /** Sets the largest size of the table, in bytes. */
  resize(most: number): void {
    this.#most = most;
    this.#evict(most);
  }

  #slot(age: number): number {
    return (this.#next - 1 - age) & (this.#names.length - 1);
  }

  /** Removes the oldest entries until the others have `bytes` bytes or less. */
  #evict(bytes: number): void {
    while (this.count > 0 && this.#bytes > bytes) {
      const slot = this.#slot(this.count - 1);
      this.#bytes -= this.name(this.count - 1).length + this.value(this.count - 1).length + ENTRY_OVERHEAD;
      this.#names[slot] = "";
      this.#values[slot] = "";
      this.count -= 1;
    }
  }

  #grow(): void {
    const slots = Math.max(FIRST_SLOTS, 2 * this.count);
    const names = new Array<string>(slots).fill("");
    const values = new Array<string>(slots).fill("");
    for (let age = 0; age < this.count; age += 1) {
      names[this.count - 1 - age] = this.name(age);
      values[this.count - 1 - age] = this.value(age);
    }
    this.#names = names;
    this.#values = values;
    this.#next = this.count;
  }
}
