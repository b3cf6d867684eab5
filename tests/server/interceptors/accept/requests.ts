import { create, type DescField, type DescMessage, getOption, type Message, ScalarType } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { field as fieldOption } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import fc from "fast-check";

export const validator = createValidator();

const LENGTHS = [
  1, 63, 64, 65, 119, 120, 121, 127, 128, 129, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 2048, 2049,
];
const TEXTS = [
  ...[
    "",
    "a",
    "name_v2",
    "a.b-c",
    "a:b",
    "-a",
    ".a",
    "_a",
    "a b",
    "a\n",
    "\na",
    "é",
    "💥",
    "/",
    "/data",
    "a".repeat(32_769),
  ],
  ...[
    "f47ac10b-58cc-4372-a567-0e02b2c3d479",
    "F47AC10B-58CC-4372-A567-0E02B2C3D479",
    "f47ac10b58cc4372a5670e02b2c3d479",
  ],
  ...[
    "0123456789abcdef".repeat(4),
    "0123456789ABCDEF".repeat(4),
    "0".repeat(63),
    "0".repeat(65),
    `${"0".repeat(64)}\n`,
  ],
  ...LENGTHS.flatMap((length) => ["a".repeat(length), "💥".repeat(length), `${"a".repeat(length - 1)}é`]),
];
const BOUNDS = [0, 1, 16, 32, 60, 100, 600, 1000, 3600, 10_000, 65_536, 86_400, 100_000, 1_000_000, 31_536_000];
const WHOLE = [...BOUNDS.flatMap((bound) => [bound - 1, bound, bound + 1]), -(2 ** 31), 2 ** 31 - 1];
const DOUBLES = [...WHOLE, -0, 0.5, 1.0000001, 100.0001, 5e-324, -5e-324, 1e300, Number.NaN, Infinity, -Infinity];
const BIGINTS = [...WHOLE.map(BigInt), 2n ** 63n - 1n, -(2n ** 63n)];
const SPANS = [
  ...WHOLE.map((seconds) => ({ seconds: BigInt(seconds) })),
  ...BOUNDS.flatMap((bound) => [1, 999_999_999].map((nanos) => ({ seconds: BigInt(bound), nanos }))),
  ...[-1, 1, 999_999, 1_000_000, 1_000_001].map((nanos) => ({ nanos })),
  // Not in the range of a Duration or a Timestamp, or with nanos of the wrong sign or size.
  ...[2n ** 62n, -(2n ** 62n), 315_576_000_000n, 315_576_000_001n, 253_402_300_799n].map((seconds) => ({ seconds })),
  ...[-5, 1_000_000_000, 2_000_000_000].map((nanos) => ({ seconds: 5n, nanos })),
  { seconds: -5n, nanos: 5 },
];

/** Values that a field may have, at and around every bound that the contract has. */
function candidates(field: DescField, depth: number): readonly unknown[] {
  const each = elements(field, depth);
  if (field.fieldKind !== "list" && field.fieldKind !== "map") return each;
  const { type } = getOption(field, fieldOption);
  const most =
    type.case === "repeated" ? Number(type.value.maxItems) : type.case === "map" ? Number(type.value.maxPairs) : 2;
  const many = (count: number): unknown[] =>
    Array.from({ length: count }, (_, at) => (field.scalar === ScalarType.STRING ? `n${at}` : each[0]));
  const lists: unknown[][] = [[], ...each.map((one) => [one]), [each[0], each[0]], many(most), many(most + 1)];
  if (field.fieldKind === "list") return lists;
  const keyed = TEXTS.map((key) => ({ [key]: each[1] }));
  return [...lists.map((list) => Object.fromEntries(list.map((one, at) => [`k${at}`, one]))), ...keyed];
}

function elements(field: DescField, depth: number): readonly unknown[] {
  const { message, scalar } = field;
  if (field.enum !== undefined) return [-1, 99, ...field.enum.values.map(({ number }) => number)];
  switch (message?.typeName ?? scalar) {
    case "google.protobuf.Duration":
    case "google.protobuf.Timestamp":
      return SPANS;
    case "google.protobuf.FieldMask":
      return [0, 100, 101].map((length) => ({ paths: Array.from({ length }, () => "a") }));
    case "google.protobuf.Struct":
      return [{}, { a: [1, "x", null] }];
    case "google.protobuf.Value":
      return [{}, { kind: { case: "numberValue", value: 1 } }];
    case ScalarType.STRING:
      return TEXTS;
    case ScalarType.DOUBLE:
      return DOUBLES;
    case ScalarType.INT64:
    case ScalarType.SINT64:
      return BIGINTS;
    case ScalarType.UINT64:
      return BIGINTS.filter((value) => value >= 0n);
    case ScalarType.UINT32:
      return WHOLE.filter((value) => value >= 0);
    case ScalarType.INT32:
    case ScalarType.SINT32:
      return WHOLE;
    case ScalarType.BOOL:
      return [false, true];
    case ScalarType.BYTES:
      return [new Uint8Array(), Uint8Array.of(1)];
  }
  if (message === undefined) throw new Error(`no values for ${field}`);
  return depth === 0 ? [{}] : [{}, ...fc.sample(requests(message, depth - 1), { numRuns: 12, seed: 1 })];
}

interface Choices {
  /** Values with which protovalidate finds no fault in the field. */
  readonly good: readonly unknown[];
  readonly all: readonly unknown[];
}

const known = new Map<DescField, Choices>();

function choicesOf(field: DescField, depth: number): Choices {
  const before = known.get(field);
  if (before !== undefined) return before;
  const all = candidates(field, depth);
  const choices = { all, good: all.filter((value) => isGood(field, value)) };
  known.set(field, choices);
  return choices;
}

function isGood(field: DescField, value: unknown): boolean {
  const result = validator.validate(field.parent, create(field.parent, holding(field, value)));
  if (result.kind === "error") return false;
  return result.kind === "valid" || result.violations.every((violation) => violation.field[0] !== field);
}

const holding = ({ oneof, localName }: DescField, value: unknown): Record<string, unknown> =>
  oneof === undefined ? { [localName]: value } : { [oneof.localName]: { case: localName, value } };

/** Messages of that type, of which most are valid and most others violate a single rule by a little. */
export function requests(desc: DescMessage, depth = 3): fc.Arbitrary<Message> {
  const members = desc.fields.map((field) => {
    const { good, all } = choicesOf(field, depth);
    const needed = !isGood(field, undefined);
    const value = good.length === 0 ? fc.constantFrom(...all) : fc.constantFrom(...good);
    return fc.oneof(
      { weight: needed ? 0 : 12, arbitrary: fc.constant({}) },
      { weight: 12, arbitrary: value.map((one) => holding(field, one)) },
      { weight: 1, arbitrary: fc.constantFrom(...all, undefined).map((one) => holding(field, one)) },
    );
  });
  // With many fields, few messages would be valid.
  const some = fc.tuple(fc.tuple(...members), fc.integer({ min: 0, max: members.length }), fc.boolean());
  const fixed = desc.fields.filter((field) => !isGood(field, undefined));
  return some.map(([parts, from, isWhole]) => {
    const base = fixed.map((field) => holding(field, choicesOf(field, depth).good[0]));
    const chosen = isWhole ? parts : parts.slice(from, from + 2);
    return create(desc, Object.assign({}, ...base, ...chosen));
  });
}
