import { ANNOUNCED_HTTP2_HEADERS_BYTES } from "../limits.ts";
import { DynamicTable } from "./dynamic-table.ts";
import { HpackError } from "./error.ts";
import { FieldCollector, type HeaderList } from "./header-list.ts";
import { BlockReader, textBytes } from "./reader.ts";
import { STATIC_NAMES, STATIC_VALUES } from "./static-table.ts";

export { HpackError } from "./error.ts";
export type { HeaderList } from "./header-list.ts";

/** The first byte of each representation (RFC 7541, 6), from the highest bit that is set. */
const INDEXED = 0x80;
const INDEXING = 0x40;
const TABLE_SIZE = 0x20;
/** Bits of the index in the first byte of a literal that is not added to the table. */
const LITERAL_MASK = 0x0f;

/** Size of a client's table until it knows of another limit. RFC 9113, 6.5.2. */
const INITIAL_TABLE = 4096;
/** Decoded strings of the block at work. Decoding is synchronous, so that all connections can share it. */
const SHARED_TEXT = Buffer.allocUnsafeSlow(32 * 1024);

/** RFC 7541. Decodes the header blocks of one connection, in order, with the client's dynamic table. */
export class HpackDecoder {
  readonly #most: number;
  readonly #table: DynamicTable;
  #isStateless = true;

  /**
   * `maxTableBytes`: the largest dynamic table that the client may use. A client may use 4096 bytes until it has acknowledged
   * smaller SETTINGS_HEADER_TABLE_SIZE. The table has 4096 bytes or the maximum, if that is smaller, until the client changes it.
   */
  constructor(maxTableBytes = INITIAL_TABLE) {
    this.#most = maxTableBytes;
    this.#table = new DynamicTable(Math.min(maxTableBytes, INITIAL_TABLE));
  }

  /** Whether the last block neither used nor changed the table, so that the same bytes always mean the same fields. */
  get isStateless(): boolean {
    return this.#isStateless;
  }

  /**
   * Decodes one block. If its fields exceed `maxListBytes` (256 KiB), the block is still read to its end, because later blocks
   * may refer to its fields; but the list is truncated, so that a short block cannot expand without bound.
   *
   * Throws HpackError for a block that violates RFC 7541. The decoder must not be used afterwards.
   */
  decode(block: Uint8Array, maxListBytes = ANNOUNCED_HTTP2_HEADERS_BYTES): HeaderList {
    const room = textBytes(block);
    const reader = new BlockReader(block, room > SHARED_TEXT.length ? Buffer.allocUnsafeSlow(room) : SHARED_TEXT);
    const list = new FieldCollector(maxListBytes);
    this.#isStateless = true;
    this.#readTableSizes(reader);
    while (reader.at < block.length) {
      const first = block[reader.at] as number;
      if (first >= INDEXED) this.#readIndexed(reader, list);
      else if (first >= INDEXING) this.#readIndexing(reader, list);
      else if (first >= TABLE_SIZE) throw new HpackError("the size of the table changes after the first field");
      else this.#readLiteral(reader, list);
    }
    return list.end(reader.text, reader.textEnd);
  }

  #readTableSizes(reader: BlockReader): void {
    const { block } = reader;
    for (let first = block[0]; first !== undefined; first = block[reader.at]) {
      if (first < TABLE_SIZE || first >= INDEXING) return;
      const size = reader.integer(TABLE_SIZE - 1);
      if (size > this.#most) throw new HpackError(`the table has at most ${this.#most} bytes, but is set to ${size}`);
      this.#table.resize(size);
      this.#isStateless = false;
    }
  }

  #readIndexed(reader: BlockReader, list: FieldCollector): void {
    const index = reader.integer(INDEXED - 1);
    const name = this.#name(index);
    list.add(name, STATIC_VALUES[index] ?? this.#table.value(index - STATIC_VALUES.length));
  }

  /** Reads a literal that is added to the table. Its strings are separate ones, because the table keeps them. */
  #readIndexing(reader: BlockReader, list: FieldCollector): void {
    const index = reader.integer(INDEXING - 1);
    const name = index === 0 ? readString(reader) : this.#name(index);
    const value = readString(reader);
    this.#table.add(name, value);
    this.#isStateless = false;
    list.add(name, value);
  }

  #readLiteral(reader: BlockReader, list: FieldCollector): void {
    const index = reader.integer(LITERAL_MASK);
    const from = reader.textEnd;
    const name = index === 0 ? undefined : this.#name(index);
    if (name === undefined) reader.string();
    const middle = reader.textEnd;
    reader.string();
    if (name === undefined) list.addNewLiteral(from, middle, reader.textEnd);
    else list.addLiteral(name, middle, reader.textEnd);
  }

  #name(index: number): string {
    if (index === 0) throw new HpackError("the index of a field is 0");
    const name = STATIC_NAMES[index];
    if (name !== undefined) return name;
    this.#isStateless = false;
    const age = index - STATIC_NAMES.length;
    if (age < this.#table.count) return this.#table.name(age);
    const last = STATIC_NAMES.length - 1 + this.#table.count;
    throw new HpackError(`the index of a field is ${index}, but the last entry of the table has the index ${last}`);
  }
}

function readString(reader: BlockReader): string {
  const from = reader.textEnd;
  reader.string();
  return reader.text.toString("latin1", from, reader.textEnd);
}
