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
    ["type(output) == map && type(output.quantity) == double && type(output.fills) == list", true],
    ["output.fills.map(fill, fill * 2.0).filter(fill, fill > 2.0).size() == 1", true],
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
    const sources = [
      "outptu.status",
      "output.fills.all(fill, fill < limit)",
      "[1].map(x, x).size() == n",
      "limit.all(limit, limit > 0.0)",
    ];
    for (const source of sources) {
      expect(() => compileExpectation(source)).toThrow(/(outptu|limit|n) is not known; there are output, error/);
    }
  });

  it.each([
    ["foo.bar == 1", "foo is not known; there are output, error, duration_ms", "line 1, column 1"],
    ["output.ok &&\n  output.all(x, y)", "y is not known; there are output, error, duration_ms", "line 2, column 17"],
    ["output.ok && siez(output) == 2", "there is no function siez", "line 1, column 14"],
    ["output.all(x, x.bar())", "there is no function bar", "line 1, column 16"],
    ['output.status == "filled', "found = but expecting end of input", "line 1, column 15"],
  ])("%j is refused: %s, at %s", (source, message, position) => {
    expect(() => compileExpectation(source)).toThrow(new ExpectationError(message, position));
  });

  it("knows every function of the language", () => {
    const sources = [
      "size(output.fills) == 2",
      "int(output.quantity) == 0",
      "type(dyn(output)) == map",
      "!bool('false')",
    ];
    for (const source of sources) expect(compileExpectation(source)(filled)).toBe(true);
  });

  it("is refused where it is nested too deeply to be read", () => {
    const source = `${"(".repeat(1500)}true${")".repeat(1500)}`;
    expect(() => compileExpectation(source)).toThrow(new ExpectationError("it is nested too deeply"));
  });

  const long = (length: number) => ({ ...filled, output: Array.from({ length }, () => 1) });

  it.each([
    ["output.all(x, x > 0.0)", 100_000, 100_001],
    ["output.all(x, x > 0.0) && output.exists_one(x, x < 0.0) == false", 50_000, 50_001],
    ["output.all(x, output.all(y, x <= y))", 315, 316],
    ["output.all(x, output.all(y, output.all(z, x <= z)))", 46, 47],
    ["output.all(x, x in output)", 315, 316],
    ["output.all(x, output == output)", 315, 316],
    ["(output + output).all(x, x > 0.0)", 50_000, 50_001],
  ])("%s goes through a list of %s, and not of %s", (source, fits, tooLong) => {
    const holds = compileExpectation(source);
    expect(holds(long(fits))).toBe(true);
    expect(() => holds(long(tooLong))).toThrow(/^it would take some \d+e\+\d steps, more than 100000$/);
  });

  it("counts what is written in it, too", () => {
    const written = `[${Array(400).fill(1)}]`;
    const holds = compileExpectation(`${written}.all(x, ${written}.all(y, x <= y))`);
    expect(() => holds(filled)).toThrow("it would take some 2e+5 steps");
  });

  it("takes patterns that other engines take for ever to match", () => {
    const output = { name: `${"a".repeat(5000)}b` };
    expect(compileExpectation("output.name.matches('^(a+)+$')")({ ...filled, output })).toBe(false);
  });

  it("throws where it cannot tell", () => {
    expect(() => compileExpectation("output.price > 1")(filled)).toThrow(
      "cannot be evaluated: field not found: price (line 1, column 7)",
    );
    expect(() => compileExpectation("output.status")(filled)).toThrow("is neither true nor false");
  });
});
