import { huffmanText } from "./huffman.ts";

export type Field = readonly [name: string, value: string];

/** Decodes the header blocks of one connection (RFC 7541). */
export interface HeaderDecoder {
  /** Returns the fields of the block between two positions. Throws for a malformed block. */
  decode(bytes: Uint8Array, start: number, end: number): Field[];
  /** Rises whenever a block changes the table. Until then, equal blocks have equal fields. */
  readonly version: number;
}

const STATIC: readonly Field[] = [
  [":authority", ""],
  ...[":method GET", ":method POST", ":path /", ":path /index.html", ":scheme http", ":scheme https"].map(split),
  ...["200", "204", "206", "304", "400", "404", "500"].map((status): Field => [":status", status]),
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ...[
    ...["accept-language", "accept-ranges", "accept", "access-control-allow-origin", "age", "allow", "authorization"],
    ...["cache-control", "content-disposition", "content-encoding", "content-language", "content-length"],
    ...["content-location", "content-range", "content-type", "cookie", "date", "etag", "expect", "expires", "from"],
    ...["host", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "last-modified"],
    ...["link", "location", "max-forwards", "proxy-authenticate", "proxy-authorization", "range", "referer", "refresh"],
    ...["retry-after", "server", "set-cookie", "strict-transport-security", "transfer-encoding", "user-agent", "vary"],
    ...["via", "www-authenticate"],
  ].map((name): Field => [name, ""]),
];
/** Bytes that a field takes in the table besides its name and value. */
const FIELD_OVERHEAD = 32;

function split(text: string): Field {
  const [name = "", value = ""] = text.split(" ");
  return [name, value];
}

/** `tableBytes`: the size of the table that was announced to the sender. */
export function createHeaderDecoder(tableBytes = 4096): HeaderDecoder {
  const table: Field[] = [];
  let [held, most, version] = [0, tableBytes, 0];
  let [bytes, at, end]: [Uint8Array, number, number] = [new Uint8Array(), 0, 0];

  const byte = (): number => {
    if (at >= end) throw new Error("a header block ends too early");
    at += 1;
    return bytes[at - 1] ?? 0;
  };
  const number = (first: number, bits: number): number => {
    const full = 2 ** bits - 1;
    let value = first & full;
    if (value < full) return value;
    for (let factor = 1; ; factor *= 128) {
      const next = byte();
      value += (next & 127) * factor;
      if (next < 128) return value;
    }
  };
  const string = (): string => {
    const first = byte();
    const length = number(first, 7);
    const start = at;
    at += length;
    if (at > end) throw new Error("a header block ends too early");
    return first >= 128
      ? huffmanText(bytes, start, at)
      : Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString("latin1");
  };
  const field = (index: number): Field => {
    const found = index <= STATIC.length ? STATIC[index - 1] : table[index - STATIC.length - 1];
    if (found === undefined) throw new Error(`a header block names the field ${index}, which does not exist`);
    return found;
  };
  const shrink = (): void => {
    while (held > most) held -= sizeOf(table.pop());
  };
  const literal = (first: number, bits: number): Field => {
    const index = number(first, bits);
    const name = index === 0 ? string() : field(index)[0];
    return [name, string()];
  };

  return {
    get version() {
      return version;
    },
    decode(block, start, blockEnd) {
      [bytes, at, end] = [block, start, blockEnd];
      const fields: Field[] = [];
      while (at < end) {
        const first = byte();
        if (first >= 128) fields.push(field(number(first, 7)));
        else if (first >= 64) {
          const added = literal(first, 6);
          fields.push(added);
          table.unshift(added);
          held += sizeOf(added);
          version += 1;
          shrink();
        } else if (first >= 32) {
          most = Math.min(tableBytes, number(first, 5));
          version += 1;
          shrink();
        } else fields.push(literal(first, 4));
      }
      return fields;
    },
  };
}

function sizeOf(field: Field | undefined): number {
  return field === undefined ? 0 : field[0].length + field[1].length + FIELD_OVERHEAD;
}
