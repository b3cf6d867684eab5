import {
  createRegistry,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonValue,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodedSize } from "../../../src/core/index.ts";
import { SERVICES } from "../../../src/server/contract.ts";
import { wireSize } from "../../../src/server/map/size.ts";
import { toAnswer } from "../../../src/server/rest/answer.ts";
import { arbitraryMessage } from "../../wire/arbitrary.ts";

const REGISTRY = createRegistry(...SERVICES);
const bytesOf = (text: string): number => Buffer.byteLength(text);

/** The sizes in every protocol that can encode the message: protobuf JSON has no NaN in a Value, and no year after 9999. */
function written(desc: DescMessage, message: ReturnType<typeof fromBinary>): number[] {
  const ways = [
    () => toBinary(desc, message).length,
    () => bytesOf(toJsonString(desc, message)),
    () => bytesOf(JSON.stringify(toAnswer(desc, message, REGISTRY))),
  ];
  return ways.flatMap((way) => {
    try {
      return [way()];
    } catch {
      return [];
    }
  });
}

/** The message types that answers consist of, each once. */
const ANSWERS = new Map<string, DescMessage>();
function collect(desc: DescMessage): void {
  if (ANSWERS.has(desc.typeName) || !desc.typeName.startsWith("helios.")) return;
  ANSWERS.set(desc.typeName, desc);
  for (const { message } of desc.fields) if (message !== undefined) collect(message);
}
for (const { output } of SERVICES.flatMap(({ methods }) => methods)) collect(output);

describe("the size of a message", () => {
  it.each([...ANSWERS.values()].map((desc) => [desc.name, desc] as const))(
    "is at least as large as in every protocol: %s",
    (_, desc) => {
      fc.assert(
        fc.property(arbitraryMessage(desc, 2), (bytes) => {
          const message = fromBinary(desc, bytes, { readUnknownFields: false });
          expect(wireSize(desc, message)).toBeGreaterThanOrEqual(Math.max(...written(desc, message)));
        }),
        { numRuns: 30 },
      );
    },
  );
});

describe("the size of a JSON value", () => {
  const texts = fc.string({ unit: fc.constantFrom("a", '"', "\\", "\u0001", "\n", "é", "€", "💥", "\u2028") });
  const values = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      texts,
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie("value"), { maxLength: 8 }),
      fc.dictionary(texts, tie("value"), { maxKeys: 8 }),
    ),
  })).value;

  it("is at least as large as in JSON and in google.protobuf.Value, and less than ten times that", () => {
    fc.assert(
      fc.property(values, (value) => {
        const message = fromJsonValue(value);
        const most = Math.max(bytesOf(JSON.stringify(value)), toBinary(ValueSchema, message).length);
        expect(encodedSize(value)).toBeGreaterThanOrEqual(most);
        expect(encodedSize(value)).toBeLessThanOrEqual(10 * most + 16);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ["numbers", Array.from({ length: 50_000 }, () => 1)],
    ["long numbers", Array.from({ length: 50_000 }, (_, at) => -1.1234567890123456e-100 * (at + 1))],
    ["numbers of the greatest length", Array.from({ length: 50_000 }, () => -0.0000010000010840921482)],
    ["empty lists", Array.from({ length: 50_000 }, () => [])],
    ["empty texts", Array.from({ length: 50_000 }, () => "")],
    ["control characters", "\u0001".repeat(100_000)],
    ["nested lists", JSON.parse(`${"[".repeat(90)}1${"]".repeat(90)}`)],
    ["nested objects", JSON.parse(`${'{"":'.repeat(90)}"${"x".repeat(100_000)}"${"}".repeat(90)}`)],
  ])("is computed correctly for many %s", (_, value) => {
    const most = Math.max(bytesOf(JSON.stringify(value)), toBinary(ValueSchema, fromJsonValue(value)).length);
    expect(encodedSize(value)).toBeGreaterThanOrEqual(most);
  });
});

function fromJsonValue(value: unknown) {
  return fromJson(ValueSchema, value as JsonValue);
}
