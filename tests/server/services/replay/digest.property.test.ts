import {
  type DescField,
  type DescMessage,
  type DescMethod,
  fromBinary,
  fromJson,
  type JsonValue,
  type Message,
  ScalarType,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { file_helios_v1_breaker_service as breaker } from "../../../../gen/helios/v1/breaker_service_pb.ts";
import { file_helios_v1_flag_service as flag } from "../../../../gen/helios/v1/flag_service_pb.ts";
import { file_helios_v1_module_service as module } from "../../../../gen/helios/v1/module_service_pb.ts";
import { file_helios_v1_status_service as status } from "../../../../gen/helios/v1/status_service_pb.ts";
import { file_helios_v1_test_service as test } from "../../../../gen/helios/v1/test_service_pb.ts";
import { digestOf } from "../../../../src/server/services/replay/canonical.ts";
import { canReplay } from "../../../../src/server/services/replay/replays.ts";
import { times } from "../../../effort.ts";
import { arbitraryMessage } from "../../../wire/arbitrary.ts";

const methods = [breaker, flag, module, status, test]
  .flatMap(({ services }) => services)
  .flatMap(({ methods: all }) => all)
  .filter(canReplay);

/** Chooses between several encodings of the same message. */
type Choose = (below: number) => number;

/** The same message in other bytes: other orders of fields and entries, explicit defaults, zeros with a sign. */
function reencoded(source: ReflectMessage, choose: Choose): Uint8Array {
  const writer = new BinaryWriter();
  for (const write of shuffled(
    source.fields.map((field) => () => saying(writer, source, field, choose)),
    choose,
  ))
    write();
  for (const { no, wireType, data } of source.getUnknown() ?? []) writer.tag(no, wireType).raw(data);
  return writer.finish();
}

function shuffled<T>(items: readonly T[], choose: Choose): readonly T[] {
  const left = [...items];
  return items.map(() => left.splice(choose(left.length), 1)[0] as T);
}

function saying(writer: BinaryWriter, source: ReflectMessage, field: DescField, choose: Choose): void {
  const { number } = field;
  const message = (value: ReflectMessage, no: number): void => {
    writer.tag(no, WireType.LengthDelimited).bytes(reencoded(value, choose));
  };
  switch (field.fieldKind) {
    case "scalar":
    case "enum": {
      const isWritten = source.isSet(field) || (field.presence === IMPLICIT && choose(2) === 0);
      const value = source.get(field);
      const id =
        field.name === "request_id" && choose(2) === 0
          ? String(value).replace(/[a-f]/g, (hex) => hex.toUpperCase())
          : value;
      if (isWritten) scalar(writer, number, typeOf(field), id, choose);
      return;
    }
    case "message":
      if (source.isSet(field)) message(source.get(field), number);
      return;
    case "list": {
      const items = [...source.get(field)];
      const isMask = source.desc.typeName === "google.protobuf.FieldMask";
      for (const item of isMask ? shuffled([...items, ...items], choose) : items) {
        if (field.listKind === "message") message(item as ReflectMessage, number);
        else scalar(writer, number, typeOf(field), item, choose);
      }
      return;
    }
    case "map":
      for (const [key, value] of shuffled([...source.get(field)], choose)) {
        writer.tag(number, WireType.LengthDelimited).fork();
        scalar(writer, 1, field.mapKey, key, choose);
        if (field.mapKind === "message") message(value as ReflectMessage, 2);
        else scalar(writer, 2, typeOf(field), value, choose);
        writer.join();
      }
  }
}

/** LEGACY_REQUIRED is 3, EXPLICIT 1. */
const IMPLICIT = 2;

const typeOf = (field: DescField): ScalarType => field.scalar ?? ScalarType.INT32;

function scalar(writer: BinaryWriter, no: number, type: ScalarType, value: unknown, choose: Choose): void {
  switch (type) {
    case ScalarType.STRING:
      writer.tag(no, WireType.LengthDelimited).string(value as string);
      return;
    case ScalarType.BYTES:
      writer.tag(no, WireType.LengthDelimited).bytes(value as Uint8Array);
      return;
    case ScalarType.DOUBLE:
      writer.tag(no, WireType.Bit64).double(value === 0 && choose(2) === 0 ? -0 : (value as number));
      return;
    case ScalarType.UINT64:
      writer.tag(no, WireType.Varint).uint64(value as bigint);
      return;
    default:
      writer.tag(no, WireType.Varint).int64(BigInt(value as bigint));
  }
}

/** The meaning of a message, independent of its encoding. */
function meaning(source: ReflectMessage): unknown {
  const text = (field: DescField, value: unknown): unknown => {
    if (field.message !== undefined) return meaning(value as ReflectMessage);
    if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
    // `String` formats both zeros in one way, and all NaN values.
    return `${typeof value} ${field.name === "request_id" ? String(value).toLowerCase() : String(value)}`;
  };
  const said = source.fields.flatMap((field): unknown[] => {
    const isZero = field.presence === IMPLICIT && source.get(field) === 0;
    if (!source.isSet(field) || isZero) return [];
    if (field.fieldKind === "map") {
      return [
        [
          field.number,
          [...source.get(field)]
            .map(([key, value]) => [String(key), text(field, value)])
            .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
        ],
      ];
    }
    if (field.fieldKind !== "list") return [[field.number, text(field, source.get(field))]];
    const items = [...source.get(field)].map((item) => text(field, item));
    return [[field.number, source.desc.typeName === "google.protobuf.FieldMask" ? [...new Set(items)].sort() : items]];
  });
  const unknown = (source.getUnknown() ?? []).map(({ no, data }) => [no, Buffer.from(data).toString("hex")]);
  return unknown.length === 0 ? { said } : { said, unknown };
}

const meant = ({ input }: DescMethod, message: Message): string => JSON.stringify(meaning(reflect(input, message)));

/** Any request of the method, and a source of choices. */
const requestOf = ({ input }: DescMethod): fc.Arbitrary<Message> =>
  arbitraryMessage(input, 2).map((wire) => fromBinary(input, wire));
const choices = fc.infiniteStream(fc.nat({ max: 1000 }));
const chooser = (stream: Iterator<number>): Choose => {
  return (below) => stream.next().value % below;
};

function json(desc: DescMessage, message: Message): JsonValue | undefined {
  try {
    return toJson(desc, message);
  } catch {
    // For example a time that does not exist: the message can be sent only as bytes.
    return undefined;
  }
}

describe("the digest that identifies a repeated request", () => {
  it("exists for every method whose requests have an id", () => {
    expect(methods.length).toBeGreaterThan(25);
  });

  it.each(methods.map((method) => [`${method.parent.name}/${method.name}`, method] as const))(
    "is the same for all forms of a request, and differs for any other request: %s",
    (_, method) => {
      const { input } = method;
      fc.assert(
        fc.property(requestOf(method), requestOf(method), choices, (one, other, stream) => {
          const choose = chooser(stream);
          const digest = digestOf(method, one);
          const before = toBinary(input, one);
          const again = fromBinary(input, reencoded(reflect(input, one), choose));
          expect(digestOf(method, again)).toBe(digest);
          const written = json(input, one);
          // JSON cannot carry unknown fields.
          if (written !== undefined && !meant(method, one).includes('"unknown":')) {
            expect(digestOf(method, fromJson(input, written))).toBe(digest);
          }
          // One field is replaced by that of another request.
          const field = input.fields[choose(input.fields.length)] as DescField;
          const changed = fromBinary(input, before);
          const [target, from] = [reflect(input, changed), reflect(input, other)];
          target.clear(field);
          if (from.isSet(field)) target.set(field, from.get(field));
          expect(digestOf(method, changed) === digest).toBe(meant(method, changed) === meant(method, one));
          // The service receives the request unchanged.
          expect(toBinary(input, one)).toEqual(before);
        }),
        { numRuns: times(20, 1000) },
      );
    },
  );

  it("differs for the same message of another method", () => {
    const digests = methods.map((method) => digestOf(method, fromBinary(method.input, new Uint8Array())));
    expect(new Set(digests).size).toBe(methods.length);
  });
});
