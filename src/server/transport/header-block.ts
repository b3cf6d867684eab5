import {
  MAX_HTTP2_FIELD_BYTES,
  MAX_HTTP2_HEADERS_BYTES,
  MAX_HTTP2_HUFFMAN_BYTES,
  MAX_SHORT_FIELDS_BYTES,
} from "./limits.ts";

/** How a client's header blocks are compressed, on one connection (RFC 7541). */
export interface HeaderTable {
  /** Bytes that the client's dynamic table may have; fields that go into one of 0 bytes leave no trace. */
  size: number;
}

/** The client's table may have so many bytes until it was told otherwise. */
export const INITIAL_TABLE_BYTES = 4096;

/** What cannot be read, or cannot be left out: only the end of the connection is an answer to it. */
export class HeaderBlockError extends Error {
  override readonly cause: "malformed" | "excessive";

  constructor(cause: "malformed" | "excessive") {
    super(`the header block is ${cause}`);
    this.cause = cause;
  }
}

/** One header block, which comes in pieces. */
export interface HeaderBlock {
  /** Throws HeaderBlockError. */
  add(bytes: Buffer): void;
  /** The block without the fields that go beyond the limits, and which limit in bytes they went beyond. */
  end(): { readonly block: Buffer; readonly beyond: number | undefined };
  /** Bytes that it holds by now. */
  readonly held: number;
}

/** `:path: /`, for one that is left out: without a path there would be no request to answer. */
const ANY_PATH = Buffer.from([0x04, 0x01, 0x2f]);
const PATHS: readonly number[] = [4, 5];
/** Of a field that is short all the same: what says how to answer is kept wherever it comes. */
const SHORT_FIELD = 256;

/**
 * Reads a block as it comes, and leaves out what goes beyond the limits: HTTP/2 itself, and the library that reads it, know
 * only the end of the connection as an answer to a field of more than 64 KiB or a block of many frames, with all of the
 * other calls. Values are not decoded: how long they are is enough.
 */
export function createHeaderBlock(table: HeaderTable): HeaderBlock {
  let pending: Buffer = Buffer.alloc(0);
  let kept: Buffer = Buffer.alloc(1024);
  let keptBytes = 0;
  let beyond: number | undefined;
  /** Of a field that is left out: what is still to come of its name or value. */
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
    // What the client puts into its table has to be put into the server's.
    if (isIndexing && table.size > 0) throw new HeaderBlockError("excessive");
    beyond ??= limit;
  };
  const skipTo = (end: number): void => {
    skip = Math.max(0, end - pending.length);
    pending = pending.subarray(end);
  };
  /** Whether there was a whole instruction, or as much of one as it takes to leave it out. */
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
      // Not a part of what was read from the socket, which would all stay in memory.
      pending = Buffer.from(pending);
    },
    end() {
      if (pending.length > 0 || skip > 0 || valueFollows) throw new HeaderBlockError("malformed");
      return { block: kept.subarray(0, keptBytes), beyond };
    },
  };
}

/** A string of HPACK: where it ends, and how long it is as it is sent. */
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
  /** Where it ends, or its name where no more than that is there. */
  readonly end: number;
  readonly index: number;
  readonly isIndexing: boolean;
  /** Absent: the name is in a table. */
  readonly name?: Text;
  readonly value?: Text;
  readonly tableSize?: number;
}

/** Undefined: its lengths are not there yet. */
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

/** RFC 7541, 5.1. Undefined: it is not there as a whole. */
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
