import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";

/** Existing names, unknown names, and texts that no name should be. */
const TEXTS = [
  "neural_network_v2",
  "exchange",
  "echo",
  "",
  "x",
  "../../etc/passwd",
  "a".repeat(200),
  "\u0000",
  "💥é",
  "__proto__",
  "constructor",
  "flag/x",
  "f47ac10b-58cc-4372-a567-0e02b2c3d479",
  "context.symbol == 'BTCZAR'",
  "(((((",
  "MTphYmM6MQ",
];
const INTEGERS = [0n, 1n, -1n, 2n, 100n, 2n ** 31n - 1n, -(2n ** 31n), 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)];
const DOUBLES = [0, -0, 1, 50, 100, 100.0001, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e300, 5e-324];

const text = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...TEXTS) },
  fc.string({ unit: "grapheme", maxLength: 20 }),
);
const integer = fc.oneof(fc.constantFrom(...INTEGERS), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
const double = fc.oneof(fc.constantFrom(...DOUBLES), fc.double());
const bytes = fc.uint8Array({ maxLength: 20 });

/** Writes one value of a field with its tag. */
type Write = (writer: BinaryWriter) => void;

/** A message of that type in the wire format: every field may be present with any value, and so may unknown fields. */
export function arbitraryMessage(desc: DescMessage, depth = 3): fc.Arbitrary<Uint8Array> {
  const fields = desc.fields.map((field) => fc.option(arbitraryField(field, depth), { freq: 2, nil: undefined }));
  const unknown = fc.option(
    bytes.map(
      (value): Write =>
        (writer) =>
          writer.tag(15_000, WireType.LengthDelimited).bytes(value),
    ),
    { freq: 10, nil: undefined },
  );
  return fc.tuple(...fields, unknown).map((writes) => {
    const writer = new BinaryWriter();
    for (const write of writes) write?.(writer);
    return writer.finish();
  });
}

function arbitraryField(field: DescField, depth: number): fc.Arbitrary<Write> {
  switch (field.fieldKind) {
    case "scalar":
      return scalar(field.number, field.scalar);
    case "enum":
      return scalar(field.number, ScalarType.INT32, fc.oneof(fc.integer({ min: 0, max: 5 }).map(BigInt), integer));
    case "message":
      return message(field.number, field.message, depth);
    case "list": {
      const one =
        field.listKind === "message"
          ? message(field.number, field.message, depth)
          : scalar(field.number, field.listKind === "enum" ? ScalarType.INT32 : field.scalar);
      return many(one);
    }
    case "map": {
      const value =
        field.mapKind === "message"
          ? message(2, field.message, depth)
          : scalar(2, field.mapKind === "enum" ? ScalarType.INT32 : field.scalar);
      const entry = fc.tuple(scalar(1, field.mapKey), value).map(
        ([writeKey, writeValue]): Write =>
          (writer) => {
            writer.tag(field.number, WireType.LengthDelimited).fork();
            writeKey(writer);
            writeValue(writer);
            writer.join();
          },
      );
      return many(entry);
    }
  }
}

function many(one: fc.Arbitrary<Write>): fc.Arbitrary<Write> {
  return fc.array(one, { maxLength: 4 }).map((writes) => (writer) => {
    for (const write of writes) write(writer);
  });
}

function message(number: number, desc: DescMessage, depth: number): fc.Arbitrary<Write> {
  const content = depth === 0 ? fc.constant(new Uint8Array()) : arbitraryMessage(desc, depth - 1);
  return content.map((value) => (writer) => writer.tag(number, WireType.LengthDelimited).bytes(value));
}

function scalar(number: number, type: ScalarType, integers = integer): fc.Arbitrary<Write> {
  switch (type) {
    case ScalarType.STRING:
      return text.map((value) => (writer) => writer.tag(number, WireType.LengthDelimited).string(value));
    case ScalarType.BYTES:
      return bytes.map((value) => (writer) => writer.tag(number, WireType.LengthDelimited).bytes(value));
    case ScalarType.DOUBLE:
      return double.map((value) => (writer) => writer.tag(number, WireType.Bit64).double(value));
    case ScalarType.FLOAT:
      return double.map((value) => (writer) => writer.tag(number, WireType.Bit32).float(Math.fround(value)));
    default:
      // All other types in this contract are varints.
      return integers.map((value) => (writer) => writer.tag(number, WireType.Varint).int64(value));
  }
}

/** JSON with some of a message of that type, and much else. */
export function arbitraryJson(desc: DescMessage): fc.Arbitrary<string> {
  const names = fc.constantFrom("x", "__proto__", ...desc.fields.flatMap(({ name, jsonName }) => [name, jsonName]));
  const value = fc.oneof(
    fc.constantFrom<unknown>(...TEXTS, ...DOUBLES.filter(Number.isFinite), true, null, [], {}),
    fc.jsonValue(),
  );
  return fc.oneof(
    { weight: 4, arbitrary: fc.dictionary(names, value, { maxKeys: 4 }).map((json) => JSON.stringify(json)) },
    fc.json(),
    fc.string(),
  );
}
