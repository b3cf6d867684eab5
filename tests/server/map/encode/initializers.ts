import { create, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";

const TEXTS = [
  "",
  "x",
  "ü",
  "\ud800",
  "a\udfff",
  "💥",
  "a".repeat(48),
  "a".repeat(49),
  "é".repeat(64),
  "a".repeat(200),
];
const NUMBERS = [0, -0, 1, -1, 0.5, -0.5, 127, 128, 2 ** 31, 2 ** 32, -(2 ** 31), 2 ** 53, 1e300, -1e300];
const NOT_FINITE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
const POWERS = [0, 6, 7, 8, 14, 21, 28, 31, 32, 35, 42, 49, 53, 56, 62, 63, 64, 70].map((bits) => 2n ** BigInt(bits));

const text = fc.oneof(fc.constantFrom(...TEXTS), fc.string({ unit: "grapheme", maxLength: 60 }));
const number = fc.oneof(fc.constantFrom(...NUMBERS, ...NOT_FINITE), fc.integer(), fc.double());
const bigint = fc.oneof(
  fc.constantFrom(...POWERS.flatMap((power) => [power, power - 1n, -power, -power - 1n])),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n }),
);
const boolean = fc.boolean();
const bytes = fc.oneof(fc.uint8Array({ maxLength: 150 }), fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 3 }));

/** Anything that a program may put where JSON is expected. */
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom<unknown>(null, undefined, true, false, () => {}, 1n),
    text,
    number,
    fc.array(tie("value"), { maxLength: 3 }),
    tie("struct"),
  ),
  struct: fc.dictionary(fc.oneof(text, fc.constant("__proto__")), tie("value"), { maxKeys: 3 }),
})).struct;

const RARE = { freq: 3, nil: undefined } as const;

/**
 * Initializers of messages of that type, in every form that `create` takes: with absent and undefined members, numbers out of
 * range, and messages in place of initializers, some of which have unknown fields.
 */
export function initializers(desc: DescMessage, depth = 4): fc.Arbitrary<object> {
  const members = desc.members.map((member) => {
    if (member.kind === "oneof") {
      const cases = member.fields.map((field) =>
        one(field, depth).map((value) => ({ [member.localName]: { case: field.localName, value } })),
      );
      const none = fc.constantFrom({}, { [member.localName]: undefined }, { [member.localName]: { case: undefined } });
      return fc.oneof(none, ...cases);
    }
    const some = depth === 0 && member.message !== undefined ? fc.constant(undefined) : held(member, depth);
    return some.map((value) => ({ [member.localName]: value }));
  });
  const given = fc
    .tuple(...members)
    .chain((parts) =>
      fc.subarray(parts, { minLength: 0 }).map((some) => Object.assign({}, ...some) as Record<string, unknown>),
    );
  return fc.tuple(given, fc.option(unknown(desc), RARE), fc.boolean()).map(([init, others, isMessage]) => {
    if (!isMessage) return init;
    const message = create(desc, init);
    if (others !== undefined) message.$unknown = [...others];
    return message;
  });
}

/** Unknown fields, among them fields of the type, which a reader takes for its own. */
function unknown(desc: DescMessage) {
  const numbers = fc.constantFrom(15_000, 2 ** 28 + 1, ...desc.fields.filter(isBoolean).map(({ number: no }) => no));
  return fc.array(
    numbers.map((no) => ({ no, wireType: WireType.Varint, data: Uint8Array.of(no === 15_000 ? 7 : 0) })),
    { maxLength: 2 },
  );
}

const isBoolean = ({ scalar, oneof }: DescField): boolean => scalar === ScalarType.BOOL && oneof === undefined;

function held(field: DescField, depth: number): fc.Arbitrary<unknown> {
  const single = one(field, depth);
  switch (field.fieldKind) {
    case "list":
      return fc.option(fc.array(single, { maxLength: 4 }), RARE);
    case "map":
      return fc.option(fc.dictionary(fc.oneof(text, fc.constant("__proto__")), single, { maxKeys: 3 }), RARE);
    default:
      return fc.option(single, RARE);
  }
}

function one(field: DescField, depth: number): fc.Arbitrary<unknown> {
  const { message } = field;
  if (message !== undefined) {
    if (message.typeName === "google.protobuf.Struct" && field.parent.typeName !== "google.protobuf.Value") return json;
    return depth <= 0 ? fc.constant({}) : initializers(message, depth - 1);
  }
  if (field.enum !== undefined) return fc.constantFrom(0, 1, 2, -1, 127, 2 ** 31 - 1);
  return scalar(field, isOfProtobuf(field.parent));
}

const isOfProtobuf = ({ typeName }: DescMessage): boolean => typeName.startsWith("google.protobuf.");

function scalar({ scalar: type }: DescField, inRange: boolean): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return text;
    case ScalarType.BYTES:
      return bytes;
    case ScalarType.BOOL:
      return boolean;
    case ScalarType.DOUBLE:
      return number;
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.UINT64:
      return inRange ? fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) : bigint;
    default:
      return inRange ? fc.integer() : number;
  }
}
