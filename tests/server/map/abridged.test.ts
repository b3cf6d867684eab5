import { create, toBinary, toJsonString } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ModuleSchema, SwapStepSchema } from "../../../gen/helios/v1/module_pb.ts";
import { SwapModulesResponseSchema } from "../../../gen/helios/v1/module_service_pb.ts";
import { fittingResults } from "../../../src/server/map/abridged.ts";

const CONTROL = "\u0001";

/** A result of a swap of the greatest size. */
function result(at: number, configChars: number) {
  const long = CONTROL.repeat(1024);
  const step = create(SwapStepSchema, { name: "verify", outcome: "failed", detail: long });
  const module = create(ModuleSchema, {
    name: `module-${at}`,
    modulePath: long,
    testSuite: long,
    config: { text: CONTROL.repeat(configChars) },
    dependencies: Array.from({ length: 100 }, (_, one) => `${one}`.padEnd(120, "x")),
    envNames: Array.from({ length: 100 }, (_, one) => `E${one}`.padEnd(128, "x")),
    pureMethods: Array.from({ length: 100 }, () => CONTROL.repeat(128)),
    methods: Array.from({ length: 1000 }, () => CONTROL.repeat(20)),
    failure: { step: "verify", message: CONTROL.repeat(4096), stack: CONTROL.repeat(4096) },
  });
  const steps = Array.from({ length: 12 }, () => step);
  return {
    swapId: "s",
    swapped: false,
    unchanged: false,
    stateLost: false,
    failedStep: "verify",
    failure: long,
    steps,
    module,
  };
}

const sizeOf = (results: ReturnType<typeof result>[]): number => {
  const response = create(SwapModulesResponseSchema, { swapId: "s", results });
  const json = Buffer.byteLength(toJsonString(SwapModulesResponseSchema, response));
  return Math.max(toBinary(SwapModulesResponseSchema, response).length, json);
};

describe("the results of a swap of a hundred modules", () => {
  it("fit into one answer, however large each module is", () => {
    const results = Array.from({ length: 100 }, (_, at) => result(at, 43_000));
    const fitting = fittingResults(results);
    expect(sizeOf(results)).toBeGreaterThan(30 * 1024 * 1024);
    expect(sizeOf(fitting)).toBeLessThan(4 * 1024 * 1024);
    expect(fitting.map(({ module }) => [module.name, module.abridged])).toEqual(
      results.map(({ module }) => [module.name, true]),
    );
  });

  it("are complete if they fit", () => {
    const results = [result(1, 10), result(2, 10)];
    expect(fittingResults(results)).toEqual(results);
  });
});
