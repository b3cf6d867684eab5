import { type DescField, ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { limiterOf } from "../message.ts";
import type { Output } from "./output.ts";

/** Writes a value, after which its tag is to be written. Throws if a value of that kind cannot be encoded. */
export type Write = (out: Output, value: unknown) => void;

export interface Scalar {
  readonly wireType: WireType;
  readonly write: Write;
}

/**
 * Returns how the values of a field, an enum or of that scalar type, are written. With `limited`, a number beyond the range
 * of the type becomes the nearest limit; otherwise, it is refused. Undefined for types that the contract does not use.
 */
export function scalarOf(field: DescField, scalar: ScalarType, limited: boolean): Scalar | undefined {
  const kind = KINDS[scalar];
  if (kind === undefined) return undefined;
  const { wireType, write, expected } = kind;
  const limit = limited ? limiterOf(scalar) : undefined;
  return {
    wireType,
    write: (out, value) => {
      if (write(out, value)) return;
      try {
        if (write(out, limit === undefined ? value : limit(value), true)) return;
      } catch {
        // A conversion of another type failed.
      }
      throw unencodable(field, expected, value);
    },
  };
}

export function unencodable(field: DescField, expected: string, value: unknown): Error {
  const shown = typeof value === "number" || typeof value === "bigint" ? String(value) : typeof value;
  return new Error(`cannot encode ${field}: expected ${expected}, but got ${shown}`);
}

interface Kind {
  readonly wireType: WireType;
  readonly expected: string;
  /**
   * Returns false, and writes nothing, if the value cannot be written. With `converts`, values of other types are converted
   * as protobuf's own encoder does; that may throw.
   */
  readonly write: (out: Output, value: unknown, converts?: boolean) => boolean;
}

const halves = new DataView(new ArrayBuffer(8));
const ALL_ONES = 0xffff_ffff;

const asNumber = (value: unknown): unknown => (typeof value === "string" ? Number(value) : value);
const asBigint = (value: unknown): bigint => (typeof value === "bigint" ? value : BigInt(value as string));

/** Puts a signed number into `halves`. */
function isSigned64(value: unknown, converts: boolean | undefined): boolean {
  if (!converts && typeof value !== "bigint") return false;
  const whole = asBigint(value);
  if (BigInt.asIntN(64, whole) !== whole) return false;
  halves.setBigInt64(0, whole);
  return true;
}

const KINDS: Readonly<Partial<Record<ScalarType, Kind>>> = {
  [ScalarType.STRING]: {
    wireType: WireType.LengthDelimited,
    expected: "a text",
    write(out, value, converts) {
      if (!converts && typeof value !== "string") return false;
      out.text(String(value));
      return true;
    },
  },
  [ScalarType.BYTES]: {
    wireType: WireType.LengthDelimited,
    expected: "bytes",
    write(out, value) {
      const bytes = Array.isArray(value) ? new Uint8Array(value) : value;
      if (!(bytes instanceof Uint8Array)) return false;
      out.bytes(bytes);
      out.varint(bytes.length);
      return true;
    },
  },
  [ScalarType.BOOL]: {
    wireType: WireType.Varint,
    expected: "a boolean",
    write(out, value) {
      out.byte(value ? 1 : 0);
      return true;
    },
  },
  [ScalarType.DOUBLE]: {
    wireType: WireType.Bit64,
    expected: "a number",
    write(out, value, converts) {
      if (!converts && typeof value !== "number") return false;
      // Unlike Number(), this refuses a bigint.
      out.double(+(value as number));
      return true;
    },
  },
  [ScalarType.INT32]: {
    wireType: WireType.Varint,
    expected: "a whole number of 32 bits",
    write(out, value, converts) {
      const number = converts ? asNumber(value) : value;
      const whole = (number as number) | 0;
      if (whole !== number) return false;
      if (whole >= 0) out.varint(whole);
      else out.varint64(whole >>> 0, ALL_ONES);
      return true;
    },
  },
  [ScalarType.SINT32]: {
    wireType: WireType.Varint,
    expected: "a whole number of 32 bits",
    write(out, value, converts) {
      const number = converts ? asNumber(value) : value;
      const whole = (number as number) | 0;
      if (whole !== number) return false;
      out.varint(((whole << 1) ^ (whole >> 31)) >>> 0);
      return true;
    },
  },
  [ScalarType.UINT32]: {
    wireType: WireType.Varint,
    expected: "a whole number of 32 bits without sign",
    write(out, value, converts) {
      const number = converts ? asNumber(value) : value;
      const whole = (number as number) >>> 0;
      if (whole !== number) return false;
      out.varint(whole);
      return true;
    },
  },
  [ScalarType.INT64]: {
    wireType: WireType.Varint,
    expected: "a bigint of 64 bits",
    write(out, value, converts) {
      if (!isSigned64(value, converts)) return false;
      out.varint64(halves.getUint32(4), halves.getUint32(0));
      return true;
    },
  },
  [ScalarType.SINT64]: {
    wireType: WireType.Varint,
    expected: "a bigint of 64 bits",
    write(out, value, converts) {
      if (!isSigned64(value, converts)) return false;
      const [low, high] = [halves.getInt32(4), halves.getInt32(0)];
      const sign = high >> 31;
      out.varint64(((low << 1) ^ sign) >>> 0, (((high << 1) | (low >>> 31)) ^ sign) >>> 0);
      return true;
    },
  },
  [ScalarType.UINT64]: {
    wireType: WireType.Varint,
    expected: "a bigint of 64 bits without sign",
    write(out, value, converts) {
      if (!converts && typeof value !== "bigint") return false;
      const whole = asBigint(value);
      if (BigInt.asUintN(64, whole) !== whole) return false;
      halves.setBigUint64(0, whole);
      out.varint64(halves.getUint32(4), halves.getUint32(0));
      return true;
    },
  },
};
