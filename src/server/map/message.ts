import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  type MessageInitShape,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";

/**
 * Creates every message of the server. A number beyond the range of its field becomes the nearest limit, and NaN becomes 0.
 * Otherwise, one counter that is too large would make a whole answer fail.
 */
export function make<Desc extends DescMessage>(desc: Desc, init?: MessageInitShape<Desc>): MessageShape<Desc> {
  const made = create(desc, init);
  saturate(desc, made);
  return made;
}

/** Converts a number for a 64-bit field: its whole part, limited to the range of signed 64 bits. NaN becomes 0. */
export function whole(value: number): bigint {
  if (Number.isNaN(value)) return 0n;
  if (Math.abs(value) < 2 ** 63) return BigInt(Math.trunc(value));
  return value > 0 ? MOST_INT64 : LEAST_INT64;
}

/** Limits every whole number in a message and its nested messages to the range of its field. */
export function saturate(desc: DescMessage, made: Message): void {
  // Programs of conditions are sent many times. They are checked once.
  if (saturated.has(made)) return;
  saturated.add(made);
  for (const each of fittersOf(desc)) each(made as unknown as Fields);
}

type Fields = Record<string, unknown>;
type Fitter = (fields: Fields) => void;

const saturated = new WeakSet<Message>();
const fitters = new Map<DescMessage, readonly Fitter[]>();

function fittersOf(desc: DescMessage): readonly Fitter[] {
  const known = fitters.get(desc);
  if (known !== undefined) return known;
  const found = desc.fields.flatMap((field) => fitterOf(field) ?? []);
  fitters.set(desc, found);
  return found;
}

/** Undefined if the field does not hold a whole number. */
function fitterOf(field: DescField): Fitter | undefined {
  const one = fitOne(field);
  if (one === undefined) return undefined;
  const { localName, oneof, fieldKind } = field;
  if (oneof !== undefined) {
    return (fields) => {
      const chosen = fields[oneof.localName] as { readonly case?: string; value?: unknown };
      if (chosen.case === localName) chosen.value = one(chosen.value);
    };
  }
  return (fields) => {
    const value = fields[localName];
    if (value === undefined) return;
    if (fieldKind === "list") fields[localName] = (value as readonly unknown[]).map(one);
    else if (fieldKind === "map")
      fields[localName] = Object.fromEntries(Object.entries(value as object).map(([key, item]) => [key, one(item)]));
    else fields[localName] = one(value);
  };
}

function fitOne({ message: desc, scalar }: DescField): ((value: unknown) => unknown) | undefined {
  if (desc !== undefined) {
    // Messages of protobuf itself are free-form JSON, or were created in range.
    if (desc.typeName.startsWith("google.protobuf.")) return undefined;
    return (value) => {
      saturate(desc, value as Message);
      return value;
    };
  }
  return scalar === undefined ? undefined : limiterOf(scalar);
}

/** Returns the function that limits a whole number to the range of its type. Undefined for other types. */
export function limiterOf(scalar: ScalarType): ((value: unknown) => unknown) | undefined {
  const range = RANGES[scalar];
  if (range === undefined) return undefined;
  const [least, most] = range;
  if (typeof most === "bigint") {
    return (value) => ((value as bigint) > most ? most : (value as bigint) < least ? least : value);
  }
  return (value) => {
    const number = Number.isNaN(value) ? 0 : Math.trunc(value as number);
    return Math.min(Math.max(number, Number(least)), most);
  };
}

const MOST_INT64 = 2n ** 63n - 1n;
const LEAST_INT64 = -(2n ** 63n);
const INT32 = [-(2 ** 31), 2 ** 31 - 1] as const;
const UINT32 = [0, 2 ** 32 - 1] as const;
const INT64 = [LEAST_INT64, MOST_INT64] as const;
const UINT64 = [0n, 2n ** 64n - 1n] as const;

const RANGES: Readonly<Partial<Record<ScalarType, readonly [number | bigint, number | bigint]>>> = {
  [ScalarType.INT32]: INT32,
  [ScalarType.SINT32]: INT32,
  [ScalarType.SFIXED32]: INT32,
  [ScalarType.UINT32]: UINT32,
  [ScalarType.FIXED32]: UINT32,
  [ScalarType.INT64]: INT64,
  [ScalarType.SINT64]: INT64,
  [ScalarType.SFIXED64]: INT64,
  [ScalarType.UINT64]: UINT64,
  [ScalarType.FIXED64]: UINT64,
};
