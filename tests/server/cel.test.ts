import { describe, expect, it } from "vitest";
import { ExpectationError } from "../../src/core/index.ts";
import { compileExpectation } from "../../src/server/cel.ts";

const filled = { output: { status: "filled", quantity: 0.5, fills: [1, 2] }, error: null, durationMs: 12 };

describe("an expectation", () => {
  it.each([
    ['output.status == "filled"', true],
    ['output.status == "open"', false],
    ["output.quantity > 0.4 && output.fills.size() == 2", true],
    ["output.fills.exists(fill, fill == 2)", true],
    ["error == null && duration_ms < 20", true],
    ["has(output.status) && !has(output.price)", true],
  ])("%s is %s", (source, holds) => {
    expect(compileExpectation(source)(filled)).toBe(holds);
  });

  it("sees the error of a call that failed", () => {
    const failed = { output: null, error: { name: "RangeError", message: "quantity" }, durationMs: 1 };
    expect(compileExpectation('error.name == "RangeError" && error.message.contains("quant")')(failed)).toBe(true);
  });

  it("that cannot be read says where", () => {
    const attempt = (): unknown => compileExpectation("output.status ==");
    expect(attempt).toThrow(ExpectationError);
    expect(attempt).toThrow(expect.objectContaining({ position: "line 1, column 15" }));
  });

  it("is refused where it names what is not known, however deep", () => {
    for (const source of ["outptu.status", "output.fills.all(fill, fill < limit)", "[1].map(x, x).size() == n"]) {
      expect(() => compileExpectation(source)).toThrow(/(outptu|limit|n) is not known; there are output, error/);
    }
  });

  it("throws where it cannot tell", () => {
    expect(() => compileExpectation("output.price > 1")(filled)).toThrow(/cannot be evaluated: field not found/);
    expect(() => compileExpectation("output.status")(filled)).toThrow("is neither true nor false");
  });
});
