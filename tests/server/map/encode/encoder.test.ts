import {
  create,
  createRegistry,
  type DescMessage,
  equals,
  fromBinary,
  fromJson,
  type JsonValue,
  type Message,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Health } from "../../../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { AcquirePermitResponseSchema } from "../../../../gen/helios/v1/breaker_service_pb.ts";
import { EvaluationSchema, FlagSchema } from "../../../../gen/helios/v1/flag_pb.ts";
import { EvaluateFlagsResponseSchema } from "../../../../gen/helios/v1/flag_service_pb.ts";
import { InvokeModuleResponseSchema } from "../../../../gen/helios/v1/module_service_pb.ts";
import { SERVICES } from "../../../../src/server/contract.ts";
import { encoderOf } from "../../../../src/server/map/encode/encoder.ts";
import { JsonValueInit } from "../../../../src/server/map/json-value.ts";
import { make } from "../../../../src/server/map/message.ts";
import { answersWriter } from "../../../../src/server/map/presence.ts";
import { wireSize } from "../../../../src/server/map/size.ts";
import { times } from "../../../effort.ts";
import { initializers } from "./initializers.ts";

const OUTPUTS = new Map(
  [...SERVICES, Health, ServerReflection, ServerReflectionAlpha].flatMap(({ methods }) =>
    methods.map(({ output }) => [output.typeName, output] as const),
  ),
);

/** The answer as protobuf's own encoder writes it, with the changes that interceptors make to it. */
function expected(desc: DescMessage, init: object): Uint8Array {
  const message = make(desc, init as Message);
  answersWriter(desc)?.(message);
  return toBinary(desc, message);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const sorted = (bytes: Uint8Array): string => hex(bytes.toSorted());

/** Encodes a copy, because the expected encoding changes messages. */
function expectSame(desc: DescMessage, init: object): void {
  const bytes = encoderOf(desc)(init);
  const wanted = expected(desc, init);
  // The order of fields is free. A zero that is written out is only visible in the bytes.
  expect(sorted(bytes)).toBe(sorted(wanted));
  const [read, written] = [fromBinary(desc, bytes), fromBinary(desc, wanted)];
  if (!equals(desc, read, written, { registry: createRegistry(), unknown: true })) expect(read).toEqual(written);
}

describe("an encoded answer", () => {
  it.each([...OUTPUTS])("%s is read as the one that protobuf's own encoder writes", (_, desc) => {
    const property = fc.property(initializers(desc), (init) => expectSame(desc, init));
    fc.assert(property, { numRuns: times(30, 600) });
  });

  it("leaves free bytes in front, and does not share its memory with the next answer", () => {
    const encode = encoderOf(EvaluationSchema);
    const first = encode({ name: "f", enabled: true }, 5);
    const second = encode({ name: "g" }, 5);
    expect(hex(first)).toBe("00000000000a01661001");
    expect(hex(second)).toBe("00000000000a01671000");
    expect(first.buffer.byteLength).toBe(first.length);
  });

  it("has the value false where it is an answer, once", () => {
    const evaluations = [{ name: "f" }, create(EvaluationSchema, { name: "f" })];
    for (const message of evaluations.slice(1)) answersWriter(EvaluationSchema)?.(message as Message);
    const bytes = encoderOf(EvaluateFlagsResponseSchema)({ evaluations });
    expect(hex(bytes)).toBe("0a050a01661000".repeat(2));
  });

  it("may be longer than the buffer, as often as needed", () => {
    const encode = encoderOf(InvokeModuleResponseSchema);
    for (const length of [1, 70_000, 1_200_000, 1]) {
      const init = { version: "v", output: { case: "binary" as const, value: new Uint8Array(length).fill(7) } };
      expectSame(InvokeModuleResponseSchema, init);
      expect(encode(init, 5)).toHaveLength(encode(init).length + 5);
    }
  });

  it("may have long lists, texts and nested JSON of every length", () => {
    for (const length of [15, 16, 47, 48, 49, 127, 128, 16_383, 16_384, 70_000]) {
      const whitelist = Array.from({ length }, (_, index) => `symbol-${index}`);
      expectSame(FlagSchema, { whitelist, description: "é".repeat(length) });
      const json = { kind: { case: "stringValue", value: "a".repeat(length) } };
      expectSame(InvokeModuleResponseSchema, { output: { case: "json", value: json } });
    }
  });
});

describe("JSON as the initializer of a Value", () => {
  it("is encoded as protobuf's own conversion encodes it, whether or not a message is created first", () => {
    const property = fc.property(fc.jsonValue(), (json) => {
      const wanted = sorted(toBinary(ValueSchema, fromJson(ValueSchema, json as JsonValue)));
      const init = { value: new JsonValueInit(json) };
      const encoded = fromBinary(EvaluationSchema, encoderOf(EvaluationSchema)(init));
      const created = make(EvaluationSchema, init);
      for (const { value } of [encoded, created]) {
        expect(value && sorted(toBinary(ValueSchema, value))).toBe(wanted);
      }
      expect(encoderOf(EvaluationSchema)(init).length).toBeLessThanOrEqual(wireSize(EvaluationSchema, init));
    });
    fc.assert(property, { numRuns: times(300, 5000) });
  });

  it("may have a member named __proto__", () => {
    const init = { value: new JsonValueInit(JSON.parse(`{"__proto__": {"a": 1}}`)) };
    const encoded = fromBinary(EvaluationSchema, encoderOf(EvaluationSchema)(init));
    for (const { value } of [encoded, make(EvaluationSchema, init)]) {
      expect(value && toJsonString(ValueSchema, value)).toBe(`{"__proto__":{"a":1}}`);
    }
  });
});

describe("a value that cannot be encoded", () => {
  const CASES: readonly (readonly [string, DescMessage, object])[] = [
    ["helios.v1.Evaluation.reason", EvaluationSchema, { reason: 0.5 }],
    ["helios.v1.Evaluation.reason", EvaluationSchema, { reason: "SPLIT" }],
    ["helios.v1.Evaluation.revision", EvaluationSchema, { revision: "many" }],
    ["helios.v1.Evaluation.bucket", EvaluationSchema, { bucket: "many" }],
    ["helios.v1.Evaluation.value", EvaluationSchema, { value: true }],
    ["helios.v1.Flag.percentage", FlagSchema, { percentage: 1n }],
    ["helios.v1.Flag.variants", FlagSchema, { variants: [undefined] }],
    ["google.protobuf.Duration.nanos", AcquirePermitResponseSchema, { retryAfter: { nanos: 2 ** 31 } }],
    ["google.protobuf.Duration.seconds", AcquirePermitResponseSchema, { retryAfter: { seconds: 2n ** 63n } }],
    ["helios.v1.InvokeModuleResponse.binary", InvokeModuleResponseSchema, { output: { case: "binary", value: "x" } }],
  ];

  it.each(CASES)("is refused with the name of its field: %s", (name, desc, init) => {
    expect(() => encoderOf(desc)(init)).toThrow(name);
    expect(() => expected(desc, init)).toThrow();
  });

  it("leaves nothing behind for the next answer", () => {
    const encode = encoderOf(EvaluationSchema);
    expect(() => encode({ name: "f", reason: 0.5, revision: 9n })).toThrow("reason");
    expect(hex(encode({ name: "g" }))).toBe("0a01671000");
  });
});
