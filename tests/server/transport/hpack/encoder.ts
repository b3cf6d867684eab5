import fc from "fast-check";
import { CODES } from "../../../../src/server/transport/hpack/huffman-code.ts";
import { STATIC_NAMES, STATIC_VALUES } from "../../../../src/server/transport/hpack/static-table.ts";

/** How an encoder writes a field. A field that is in no table is never written as `indexed`. */
export interface Choice {
  readonly form: "indexed" | "indexing" | "without indexing" | "never indexed";
  readonly nameByIndex: boolean;
  readonly huffman: boolean;
  /** Which of several equal entries of the tables is used. */
  readonly pick: number;
}

export type Field = readonly [name: string, value: string];

/** One block: new sizes of the table at its start, and its fields with the way in which each is written. */
export interface Plan {
  readonly sizes: readonly number[];
  readonly fields: readonly { readonly field: Field; readonly choice: Choice }[];
}

const codes = new Map(CODES.map((code) => [code.symbol, code]));
const FIRST = { indexing: [0x40, 0x3f], "without indexing": [0, 0x0f], "never indexed": [0x10, 0x0f] } as const;

/** RFC 7541, 5.1: an integer in the bits of `mask`, with the other bits of the first byte from `first`. */
export function integer(value: number, mask: number, first: number): Buffer {
  if (value < mask) return Buffer.from([first | value]);
  const bytes = [first | mask];
  let rest = value - mask;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** The codes of the symbols, and `padding` up to the next byte. */
export function huffman(symbols: Iterable<number>, padding = "1111111"): Buffer {
  let bits = "";
  for (const symbol of symbols) {
    const { code, bits: length } = codes.get(symbol) ?? { code: 0, bits: 0 };
    bits += code.toString(2).padStart(length, "0");
  }
  bits += padding.slice(0, (8 - (bits.length % 8)) % 8);
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}

export function string(text: string, isHuffman: boolean): Buffer {
  const bytes = Buffer.from(text, "latin1");
  const written = isHuffman ? huffman(bytes) : bytes;
  return Buffer.concat([integer(written.length, 0x7f, isHuffman ? 0x80 : 0), written]);
}

/** An encoder that does what it is told to, with a plain model of the dynamic table. */
export function createEncoder(mostBytes: number) {
  let most = Math.min(mostBytes, 4096);
  let table: Field[] = [];

  const sizeOf = ([name, value]: Field): number => Buffer.byteLength(name + value, "latin1") + 32;
  const evict = (): void => {
    while (table.reduce((sum, entry) => sum + sizeOf(entry), 0) > most) table = table.slice(0, -1);
  };
  const find = (matches: (field: Field) => boolean, pick: number): number => {
    const all = [...STATIC_NAMES.map((name, index): Field => [name, STATIC_VALUES[index] ?? ""]).slice(1), ...table];
    const found = all.flatMap((field, index) => (matches(field) ? [index + 1] : []));
    return found[pick % found.length] ?? 0;
  };
  const encodeField = (field: Field, { form, nameByIndex, huffman, pick }: Choice): Buffer => {
    const [name, value] = field;
    const whole = find((other) => other[0] === name && other[1] === value, pick);
    if (form === "indexed" && whole > 0) return integer(whole, 0x7f, 0x80);
    const kind = form === "indexed" ? "indexing" : form;
    const index = nameByIndex ? find((other) => other[0] === name, pick) : 0;
    const head = integer(index, FIRST[kind][1], FIRST[kind][0]);
    if (kind === "indexing") {
      table = [field, ...table];
      evict();
    }
    return Buffer.concat([head, ...(index === 0 ? [string(name, huffman)] : []), string(value, huffman)]);
  };

  return {
    encode({ sizes, fields }: Plan): Buffer {
      const updates = sizes.map((size) => {
        most = size;
        evict();
        return integer(size, 0x1f, 0x20);
      });
      return Buffer.concat([...updates, ...fields.map(({ field, choice }) => encodeField(field, choice))]);
    },
  };
}

/** Any bytes, as Latin-1. */
export const latin1 = (maxLength: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes).toString("latin1"));

/** Fields with a few names and values that repeat, and others with any bytes. */
export const anyField: fc.Arbitrary<Field> = fc.tuple(
  fc.oneof(fc.constantFrom(":path", ":status", "accept", "te", "x-trace"), latin1(40)),
  fc.oneof(fc.constantFrom("", "/", "200", "trailers"), latin1(12), latin1(400)),
);

/** Blocks of a connection with tables of up to `mostBytes`. */
export const anyPlans = (mostBytes: number): fc.Arbitrary<readonly Plan[]> =>
  fc.array(
    fc.record({
      sizes: fc.oneof(
        { weight: 4, arbitrary: fc.constant([]) },
        { weight: 1, arbitrary: fc.array(fc.nat({ max: mostBytes }), { maxLength: 2 }) },
      ),
      fields: fc.array(
        fc.record({
          field: anyField,
          choice: fc.record({
            form: fc.constantFrom("indexed", "indexed", "indexing", "without indexing", "never indexed"),
            nameByIndex: fc.boolean(),
            huffman: fc.boolean(),
            pick: fc.nat({ max: 3 }),
          }),
        }),
        { maxLength: 12 },
      ),
    }),
    { minLength: 1, maxLength: 8 },
  );
