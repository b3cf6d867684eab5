import { readFileSync } from "node:fs";
import { fromBinary, fromJson, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ConditionProgramSchema } from "../../../gen/helios/v1/condition_pb.ts";
import { FAILURE_CASES } from "../../../scripts/conditions/failures.ts";
import { asContext, toOutcome } from "../../../scripts/conditions/vectors.ts";
import { ConditionError, OPS } from "../../../src/core/index.ts";
import { CONTEXT_VARIABLES } from "../../../src/kernel/flags/condition/flag.ts";
import { interpreterOf } from "../../../src/kernel/flags/condition/interpret.ts";
import { compileCondition, programOf } from "../../../src/server/cel/condition.ts";
import { toProgram } from "../../../src/server/map/condition.ts";
import { fromProgram } from "./from-program.ts";

interface Vectors {
  readonly conditions: readonly {
    readonly condition: string;
    readonly program: JsonValue;
    readonly cases: readonly ({ readonly context: Parameters<typeof asContext>[0] } & Record<string, unknown>)[];
  }[];
  readonly refused: readonly { condition: string; position: string | null; problem: string; expected: string }[];
}

const FILE = new URL("../../../testdata/conditions.json", import.meta.url);
const { conditions, refused } = JSON.parse(readFileSync(FILE, "utf8")) as Vectors;

describe("testdata/conditions.json", () => {
  it("covers every operation, every outcome and every limit", () => {
    const used = new Set(conditions.flatMap(({ condition }) => programOf(condition).nodes.map(({ op }) => op)));
    expect([...used].sort()).toEqual([...OPS].sort());
    const outcomes = new Set(conditions.flatMap(({ cases }) => cases.map((one) => `${one.outcome} ${one.failed}`)));
    expect([...outcomes].sort()).toEqual(["failed MEMORY", "failed STEPS", "failed VALUE", "off null", "on null"]);
  });

  it("has the answers of a client that has only the programs, step by step", () => {
    for (const { condition, program, cases } of conditions) {
      const message = fromJson(ConditionProgramSchema, program);
      const evaluate = interpreterOf(fromProgram(message), CONTEXT_VARIABLES);
      for (const { context, ...expected } of cases) {
        expect([condition, context, toOutcome(evaluate(asContext(context)))]).toEqual([condition, context, expected]);
      }
    }
  });

  it("has no failure that turns a flag on, also when it is negated or combined", () => {
    const around = new Set(FAILURE_CASES.map(({ condition }) => condition));
    const failing = conditions.filter(({ condition }) => around.has(condition));
    expect(failing.length).toBe(FAILURE_CASES.length);
    for (const { condition, cases } of failing) {
      for (const { context, outcome, failed } of cases) {
        expect([condition, context, outcome, failed]).toEqual([condition, context, "failed", "VALUE"]);
      }
    }
  });

  it("has the programs that conditions compile to, unchanged by the transport", () => {
    for (const { condition, program } of conditions) {
      const sent = toProgram(programOf(condition));
      expect(fromJson(ConditionProgramSchema, program)).toEqual(sent);
      const arrived = fromBinary(ConditionProgramSchema, toBinary(ConditionProgramSchema, sent));
      expect(toProgram(fromProgram(arrived))).toEqual(sent);
    }
  });

  it.each(refused)("refuses $condition", ({ condition, position, problem, expected }) => {
    const attempt = (): unknown => compileCondition(condition);
    expect(attempt).toThrow(ConditionError);
    expect(attempt).toThrow(expect.objectContaining({ message: problem, expected, position: position ?? undefined }));
  });
});
