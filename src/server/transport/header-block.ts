import {
  MAX_HTTP2_FIELD_BYTES,
  MAX_HTTP2_HEADERS_BYTES,
  MAX_HTTP2_HUFFMAN_BYTES,
  MAX_SHORT_FIELDS_BYTES,
} from "./limits.ts";

/** The state of a client's header compression on one connection (RFC 7541). */
export interface HeaderTable {
  /** Size of the client's dynamic table in bytes. With 0 bytes, header fields have no effect on later blocks. */
  size: number;
}

/** Size of the client's table until the server announces another one. */
export const INITIAL_TABLE_BYTES = 4096;

/** Thrown for a block that cannot be read, or whose fields cannot be left out. The connection must be closed. */
export class HeaderBlockError extends Error {
  override readonly cause: "malformed" | "excessive";

  constructor(cause: "malformed" | "excessive") {
    super(`the header block is ${cause}`);
    this.cause = cause;
  }
}

/** One header block, which arrives in pieces. */
export interface HeaderBlock {
  /** Adds a piece. Throws HeaderBlockError. */
  add(bytes: Buffer): void;
  /** Returns the block without the fields that exceed a limit, and the limit in bytes, if one was exceeded. */
  end(): { readonly block: Buffer; readonly beyond: number | undefined };
  /** Bytes that the block holds now. */
  readonly held: number;
}

/** `:path: /`, in place of a path that is left out. A request without a path would have no answer. */
const ANY_PATH = Buffer.from([0x04, 0x01, 0x2f]);
const PATHS: readonly number[] = [4, 5];
/** Fields up to this length are kept even beyond the limit, because they determine how to answer. */
const SHORT_FIELD = 256;

/**
 * Reads a block as it arrives, and leaves out the fields that exceed a limit. HTTP/2 and Node's library would close the
 * connection, with all its other calls, because of one field of more than 64 KiB or a block of many frames. Values are not
 * decoded, because only their lengths matter.
 */
export function createHeaderBlock(table: HeaderTable): HeaderBlock {
  let pending: Buffer = Buffer.alloc(0);
  let kept: Buffer = Buffer.alloc(1024);
  let keptBytes = 0;
  let beyond: number | undefined;
  /** Remaining bytes of the name or value of a field that is left out. */
  let skip = 0;
  let valueFollows = false;

  const keep = (bytes: Buffer): void => {
    if (keptBytes + bytes.length > kept.length) {
      const larger = Buffer.alloc(2 * (keptBytes + bytes.length));
      kept.copy(larger, 0, 0, keptBytes);
      kept = larger;
    }
    bytes.copy(kept, keptBytes);
    keptBytes += bytes.length;
  };
  const leaveOut = (limit: number, isIndexing: boolean): void => {
    // A field that the client adds to its table must also be added to the server's table.
    if (isIndexing && table.size > 0) throw new HeaderBlockError("excessive");
    beyond ??= limit;
  };
  const skipTo = (end: number): void => {
    skip = Math.max(0, end - pending.length);
    pending = pending.subarray(end);
  };
  /** Reads one instruction, or as much of it as is needed to leave it out. Returns false if more bytes are needed. */
  const step = (): boolean => {
    if (valueFollows) {
      const value = readString(pending, 0);
      if (value === undefined) return false;
      valueFollows = false;
      skipTo(value.end);
      return true;
    }
    const field = readField(pending);
    if (field === undefined) return false;
    if (field.tableSize !== undefined) table.size = field.tableSize;
    const tooLong = limitOf(field.name) ?? limitOf(field.value);
    if (tooLong !== undefined) {
      leaveOut(tooLong, field.isIndexing);
      if (PATHS.includes(field.index)) keep(ANY_PATH);
      valueFollows = field.value === undefined;
      skipTo(field.end);
      return true;
    }
    if (field.value === undefined && field.name !== undefined) return false;
    if (pending.length < field.end) return false;
    const most = MAX_HTTP2_HEADERS_BYTES + (field.end <= SHORT_FIELD ? MAX_SHORT_FIELDS_BYTES : 0);
    if (keptBytes + field.end <= most) keep(pending.subarray(0, field.end));
    else leaveOut(MAX_HTTP2_HEADERS_BYTES, field.isIndexing);
    pending = pending.subarray(field.end);
    return true;
  };

  return {
    get held() {
      return kept.length + pending.length;
    },
    add(bytes) {
      const skipped = Math.min(skip, bytes.length);
      skip -= skipped;
      const rest = bytes.subarray(skipped);
      pending = pending.length === 0 ? rest : Buffer.concat([pending, rest]);
      while (pending.length > 0 && step());
      // A copy, because a slice would keep the whole chunk from the socket in memory.
      pending = Buffer.from(pending);
    },
    end() {
      if (pending.length > 0 || skip > 0 || valueFollows) throw new HeaderBlockError("malformed");
      return { block: kept.subarray(0, keptBytes), beyond };
    },
  };
}

/** A string of HPACK: its end, and its encoded length. */
interface Text {
  readonly end: number;
  readonly length: number;
  readonly isHuffman: boolean;
}

function limitOf(text: Text | undefined): number | undefined {
  if (text === undefined) return undefined;
  const limit = text.isHuffman ? MAX_HTTP2_HUFFMAN_BYTES : MAX_HTTP2_FIELD_BYTES;
  return text.length > limit ? limit : undefined;
}

interface Field {
  /** The end of the field, or of its name if the rest has not arrived. */
  readonly end: number;
  readonly index: number;
  readonly isIndexing: boolean;
  /** Absent if the name is in a table. */
  readonly name?: Text;
  readonly value?: Text;
  readonly tableSize?: number;
}

/** Undefined if its lengths have not arrived yet. */
function readField(bytes: Buffer): Field | undefined {
  const first = bytes[0] ?? 0;
  const isIndexed = first >= 0x80;
  const isIndexing = !isIndexed && first >= 0x40;
  const isTableSize = !isIndexed && !isIndexing && first >= 0x20;
  const start = readNumber(bytes, 0, isIndexed ? 0x7f : isIndexing ? 0x3f : isTableSize ? 0x1f : 0x0f);
  if (start === undefined) return undefined;
  const { end, value: index } = start;
  if (isIndexed) return { end, index, isIndexing: false };
  if (isTableSize) return { end, index: 0, isIndexing: false, tableSize: index };
  const name = index === 0 ? readString(bytes, end) : undefined;
  if (index === 0 && name === undefined) return undefined;
  const value = readString(bytes, name?.end ?? end);
  if (value === undefined && name === undefined) return undefined;
  const names = name === undefined ? {} : { name };
  return {
    end: value?.end ?? name?.end ?? end,
    index,
    isIndexing,
    ...names,
    ...(value === undefined ? {} : { value }),
  };
}

function readString(bytes: Buffer, at: number): Text | undefined {
  const length = readNumber(bytes, at, 0x7f);
  if (length === undefined) return undefined;
  return { end: length.end + length.value, length: length.value, isHuffman: (bytes[at] ?? 0) >= 0x80 };
}

/** Reads a number (RFC 7541, 5.1). Undefined if it is incomplete. */
function readNumber(bytes: Buffer, at: number, mask: number): { value: number; end: number } | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  let value = first & mask;
  if (value < mask) return { value, end: at + 1 };
  for (let index = 1; index <= 5; index += 1) {
    const next = bytes[at + index];
    if (next === undefined) return undefined;
    value += (next & 0x7f) * 2 ** (7 * (index - 1));
    if (next < 0x80) return { value, end: at + index + 1 };
  }
  throw new HeaderBlockError("malformed");
}
