import { ENTRY_OVERHEAD } from "./dynamic-table.ts";
import { STATIC_NAMES } from "./static-table.ts";

/** The fields of a header block. */
export interface HeaderList {
  /** Names and values in turn, in the order of the block, as Latin-1 strings: one character for each byte, nothing lost. */
  readonly fields: readonly string[];
  /**
   * Size of all fields of the block, also of those that `fields` does not have: bytes of name and value, and 32 for each field
   * (RFC 9113, 10.5.1).
   */
  readonly bytes: number;
  /** Whether the block exceeds `maxListBytes`. Then `fields` has only those before the field that exceeded it. */
  readonly truncated: boolean;
}

/** A block with longer strings is cut into separate ones, so that a field that is kept does not keep the whole block. */
const SHARED_CHARS = 2048;
const NAMES = new Map(STATIC_NAMES.map((name) => [name, name]));

/** Collects the fields of a block. Strings that are in the block itself are cut out of one text, in the end. */
export class FieldCollector {
  bytes = 0;
  truncated = false;
  readonly #most: number;
  readonly #fields: string[] = [];
  /** For each literal string: its index in the fields, and its start and end in the text. */
  readonly #cuts: number[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  add(name: string, value: string): void {
    if (this.#fits(name.length + value.length)) this.#fields.push(name, value);
  }

  /** Adds a field with its value at `from` to `to` in the text. */
  addLiteral(name: string, from: number, to: number): void {
    if (!this.#fits(name.length + to - from)) return;
    this.#cuts.push(this.#fields.length + 1, from, to);
    this.#fields.push(name, "");
  }

  /** Adds a field with its name at `from` to `middle` in the text, and its value from there to `to`. */
  addNewLiteral(from: number, middle: number, to: number): void {
    if (!this.#fits(to - from)) return;
    const at = this.#fields.length;
    this.#cuts.push(at, from, middle, at + 1, middle, to);
    this.#fields.push("", "");
  }

  end(text: Buffer, textEnd: number): HeaderList {
    const fields = this.#fields;
    const cuts = this.#cuts;
    const shared = textEnd <= SHARED_CHARS && cuts.length > 0 ? text.toString("latin1", 0, textEnd) : undefined;
    for (let index = 0; index < cuts.length; index += 3) {
      const [at, from, to] = [cuts[index] as number, cuts[index + 1] as number, cuts[index + 2] as number];
      const cut = shared === undefined ? text.toString("latin1", from, to) : shared.slice(from, to);
      fields[at] = at % 2 === 0 ? (NAMES.get(cut) ?? cut) : cut;
    }
    return { fields, bytes: this.bytes, truncated: this.truncated };
  }

  #fits(chars: number): boolean {
    this.bytes += chars + ENTRY_OVERHEAD;
    if (this.bytes > this.#most) this.truncated = true;
    return !this.truncated;
  }
}
