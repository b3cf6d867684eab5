import { describe, expect, it } from "vitest";
import { ExpectationError } from "../../../src/core/index.ts";
import { compileExpectation } from "../../../src/server/cel/expectation.ts";

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

  it("reads bytes, 64-bit integers and null members, and no invalid numbers", () => {
    const output = { raw: new Uint8Array([1, 2]), id: 9_007_199_254_740_993n, price: null, rate: Number.NaN };
    const holds = compileExpectation(
      'output.raw == b"\\x01\\x02" && output.id == 9007199254740993 && has(output.price) && output.price == null',
    );
    expect(holds({ ...filled, output })).toBe(true);
    expect(() => compileExpectation("!(output.rate > 1.0)")({ ...filled, output })).toThrow("the number is not finite");
  });

  it("reads the error of a failed call", () => {
    const error = { name: "RangeError", message: "quantity", code: "NO_QUANTITY", fields: { least: 1 } };
    const failed = { output: null, error, durationMs: 1 };
    expect(compileExpectation('error.name == "RangeError" && error.message.contains("quant")')(failed)).toBe(true);
    expect(compileExpectation('error.code == "NO_QUANTITY" && error.fields.least == 1.0')(failed)).toBe(true);
  });

  it("an expectation with a syntax error is refused with the place", () => {
    const attempt = (): unknown => compileExpectation("output.status ==");
    expect(attempt).toThrow(ExpectationError);
    expect(attempt).toThrow(expect.objectContaining({ position: "line 1, column 15" }));
  });

  it("an expectation with an unknown name is refused, at any depth", () => {
    const sources = [
      "outptu.status",
      "output.fills.all(fill, fill < limit)",
      "[1].map(x, x).size() == n",
      "limit.all(limit, limit > 0.0)",
    ];
    for (const source of sources) {
      expect(() => compileExpectation(source)).toThrow(/(outptu|limit|n) is not known; expected output, error/);
    }
  });

  it.each([
    ["foo.bar == 1", "foo is not known; expected output, error, duration_ms", "line 1, column 1"],
    ["output.ok &&\n  output.all(x, y)", "y is not known; expected output, error, duration_ms", "line 2, column 17"],
    ["output.ok && siez(output) == 2", "there is no function siez; expected a function of CEL", "line 1, column 14"],
    ["output.all(x, x.bar())", "there is no function bar; expected a function of CEL", "line 1, column 16"],
    ['output.status == "filled', "found =; expected end of input", "line 1, column 15"],
    ["duration_ms + 1 < 2", "+ does not take (double,int)", "line 1, column 12"],
    ["output.name.matches(output.pattern)", "the pattern is not constant; expected a pattern", "line 1, column 27"],
    ['int("n/a") == output.n', 'it can never be evaluated: "n/a" is not an int', "line 1, column 1"],
    ['"filled"', "it is of type string; expected true or false", "line 1, column 1"],
  ])("%j is refused: %s, at %s", (source, message, position) => {
    const refused = { message: expect.stringContaining(message) as string, position };
    expect(() => compileExpectation(source)).toThrow(ExpectationError);
    expect(() => compileExpectation(source)).toThrow(expect.objectContaining(refused));
  });

  it("may use every function of the language", () => {
    const sources = [
      "size(output.fills) == 2",
      "int(output.quantity) == 0",
      "type(dyn(output)) == map",
      "!bool('false')",
    ];
    for (const source of sources) expect(compileExpectation(source)(filled)).toBe(true);
  });

  it("an expectation with too much nesting to be parsed is refused", () => {
    const source = `${"(".repeat(1500)}true${")".repeat(1500)}`;
    expect(() => compileExpectation(source)).toThrow("it is nested too deeply; expected at most 64 brackets");
  });

  const long = (length: number) => ({ ...filled, output: Array.from({ length }, () => 1) });

  it.each([
    // The macro, the variable and, for each element, the element, the comparison and its operands.
    ["output.all(x, x > 0.0)", 2499, 2500],
    ["output.all(x, output.all(y, x <= y))", 49, 50],
    ["output.all(x, x in output)", 1999, 2000],
    ["output.all(x, output == output)", 98, 99],
    ["(output + output).all(x, x > 0.0)", 1239, 1240],
  ])("may use %s on a list of %s, and not of %s", (source, fits, tooLong) => {
    const holds = compileExpectation(source);
    expect(holds(long(fits))).toBe(true);
    expect(() => holds(long(tooLong))).toThrow("cannot be evaluated: it takes more than 10000 steps");
  });

  it("is refused if its constants alone cost too much", () => {
    const written = `[${Array(400).fill(1)}]`;
    expect(() => compileExpectation(`${written}.all(x, ${written}.all(y, x <= y))`)).toThrow(
      "it can never be evaluated: it takes more than 10000 steps",
    );
  });

  it("never takes long, with or without a pass through the longest possible output", () => {
    const output = { rows: Array.from({ length: 40_000 }, (_, id) => ({ id, text: "x".repeat(60) })) };
    for (const source of [
      'output.rows.all(row, row.text.matches("^x*$"))',
      "output == output",
      "output.rows.map(row, row.text + row.text).size() > 0",
      'output.rows.exists(row, "yy" in [row.text])',
    ]) {
      expect(() => compileExpectation(source)({ ...filled, output })).toThrow(/it takes more than \d+ (steps|bytes)$/);
    }
  });

  it("may use patterns that other engines match for ever", () => {
    const output = { name: `${"a".repeat(5000)}b` };
    expect(compileExpectation("output.name.matches('^(a+)+$')")({ ...filled, output })).toBe(false);
  });

  it("throws if it cannot be evaluated", () => {
    expect(() => compileExpectation("output.price > 1")(filled)).toThrow(
      "cannot be evaluated: there is no member price (line 1, column 7)",
    );
    expect(() => compileExpectation("output.status")(filled)).toThrow("is neither true nor false");
  });
});
