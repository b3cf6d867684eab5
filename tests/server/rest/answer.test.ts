import { create, createRegistry, equals, fromJson, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EvaluationSchema, FlagSchema, Reason, Strategy } from "../../../gen/helios/v1/flag_pb.ts";
import { SERVICES } from "../../../src/server/contract.ts";
import { toAnswer } from "../../../src/server/rest/answer.ts";
import { readMessage } from "../../../src/server/rest/fields.ts";
import { anyCharacter } from "../../support/texts.ts";

const registry = createRegistry(...SERVICES);

/** JSON has no -0. */
const withoutSign = (value: number): number => value + 0;

describe("an answer over REST", () => {
  it("has snake_case, short lower-case enums, integers as numbers, and values that are false or empty", () => {
    const flag = create(FlagSchema, { name: "f", strategy: Strategy.ALL_ON, revision: 7n });
    expect(toAnswer(FlagSchema, flag, registry)).toMatchObject({
      name: "f",
      enabled: false,
      strategy: "all_on",
      percentage: 0,
      whitelist: [],
      bucketing_version: 0,
      revision: 7,
    });
  });

  it("omits an unspecified enum, and absent messages", () => {
    const flag = toAnswer(FlagSchema, create(FlagSchema, { name: "f" }), registry);
    expect(Object.keys(flag as object)).not.toContain("strategy");
    expect(Object.keys(flag as object)).not.toContain("create_time");
  });

  it("leaves free-form JSON unchanged, whatever it looks like", () => {
    const json: JsonValue = { name: "f", value: { reason: "REASON_SPLIT", someKey: ["STRATEGY_ALL_ON"] } };
    const evaluation = fromJson(EvaluationSchema, { ...(json as object), reason: "REASON_SPLIT" } as JsonValue, {
      registry,
    });
    expect(evaluation.reason).toBe(Reason.SPLIT);
    expect(toAnswer(EvaluationSchema, evaluation, registry)).toMatchObject({ ...(json as object), reason: "split" });
  });

  it("has an integer as text if JSON cannot hold it exactly", () => {
    const flag = create(FlagSchema, { revision: 9_007_199_254_740_993n });
    expect(toAnswer(FlagSchema, flag, registry)).toMatchObject({ revision: "9007199254740993" });
  });

  it("can be sent back unchanged", () => {
    const time = fc.option(
      fc
        .integer({ min: 0, max: 4_000_000_000 })
        .map((seconds) => create(TimestampSchema, { seconds: BigInt(seconds) })),
      { nil: undefined },
    );
    const flags = fc
      .record({
        name: fc.string({ unit: anyCharacter }),
        enabled: fc.boolean(),
        strategy: fc.constantFrom(0, 1, 2, 3, 4, 5),
        percentage: fc.double({ noNaN: true, noDefaultInfinity: true }).map(withoutSign),
        whitelist: fc.array(fc.string()),
        bucketBy: fc.constantFrom(0, 1, 2, 3, 4),
        currentPercentage: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }).map(withoutSign), {
          nil: undefined,
        }),
        revision: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        createTime: time,
      })
      .map((fields) => {
        const { currentPercentage, createTime, ...rest } = fields;
        return create(FlagSchema, {
          ...rest,
          ...(currentPercentage === undefined ? {} : { currentPercentage }),
          ...(createTime === undefined ? {} : { createTime }),
        });
      });
    fc.assert(
      fc.property(flags, (flag) => {
        const answer = JSON.parse(JSON.stringify(toAnswer(FlagSchema, flag, registry))) as JsonValue;
        const again = fromJson(FlagSchema, readMessage(FlagSchema, answer, ""), { registry });
        // Both ways replace lone surrogates.
        expect(
          equals(FlagSchema, again, flag) ||
            Buffer.compare(toBinary(FlagSchema, again), toBinary(FlagSchema, flag)) === 0,
        ).toBe(true);
      }),
    );
  });

  it("has durations in the JSON format of protobuf", () => {
    expect(toAnswer(DurationSchema, create(DurationSchema, { seconds: 1n, nanos: 500_000_000 }), registry)).toBe(
      "1.500s",
    );
  });
});
