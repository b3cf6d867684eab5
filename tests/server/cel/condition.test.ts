import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConditionError } from "../../../src/core/index.ts";
import { compileCondition, programOf } from "../../../src/server/cel/condition.ts";
import { encodedSize } from "../../../src/server/map/condition.ts";
import { times } from "../../effort.ts";

const asked = {
  sessionId: "s-1",
  symbol: "BTCZAR",
  attributes: { latency_ms: 12.5, desk: "alpha", tags: ["a", "b"], limits: { max: 10 }, on: true },
};

describe("a condition", () => {
  it.each([
    ['context.symbol in ["BTCZAR"] && context.attributes.latency_ms < 50', true],
    ['context.session_id == "s-1" && context.user_id == ""', true],
    ['context.symbol.startsWith("ETH") || context.attributes.on', true],
    ["has(context.attributes.desk) && !has(context.attributes.desks)", true],
    ['context.attributes.tags.exists(tag, tag == "b")', true],
    ["context.attributes.limits.max - 1.0 >= 9.0 && context.attributes.limits.max == 10", true],
    ['"latency_ms" in context.attributes', true],
    ["context.symbol.matches('^BTC...$')", true],
    ["context.attributes.latency_ms > 50", false],
    ["context.attributes.on ? false : true", false],
    ["context.attributes.all(key, key.size() > 3)", false],
  ])("%s is %s", (source, holds) => {
    expect(compileCondition(source)(asked)).toBe(holds);
  });

  it.each([
    ["context.symbol = 'x'", "found =", "end of input", "line 1, column 16"],
    ["ctx.symbol == ''", "ctx is not known", "context", "line 1, column 1"],
    ["context.sesion_id == ''", "there is no field sesion_id", "session_id", "line 1, column 8"],
    ["has(context.desk)", "there is no field desk", "session_id", "line 1, column 1"],
    ["context.symbol.startWith('B')", "there is no function startWith", "a function of CEL", "line 1, column 15"],
    ["context.symbol.startsWith(1)", "startsWith does not take string.(int)", "string.(string)", "line 1, column 15"],
    ["context.symbol < 5", "< does not take (string,int)", "(string,string)", "line 1, column 16"],
    ["true &&\ncontext.symbol == 5", "string never equals int", "values of one type", "line 2, column 16"],
    ["context.symbol in [1]", "string never equals int", "values of one type", "line 1, column 20"],
    ["context.attributes.n + 1 > 2", "+ does not take (JSON,int)", "such as 1.0", "line 1, column 22"],
    ["context.symbol && true", "string is neither true nor false", "a bool", "line 1, column 8"],
    ["context.symbol", "it is of type string", "true or false", "line 1, column 8"],
    ["context.symbol.name == ''", "string has no field name", "a field of an object", "line 1, column 15"],
    ["context.symbol.all(x, true)", "string has no members", "a list or an object", "line 1, column 8"],
    [
      "context.attributes.n == 9223372036854775808",
      "out of the range of an int",
      "9223372036854775807",
      "line 1, column 25",
    ],
    [
      "context.attributes.n in [-9223372036854775809]",
      "out of the range of an int",
      "-9223372036854775808",
      "line 1, column 26",
    ],
    [
      "context.attributes.n == 18446744073709551616u",
      "too large for a uint",
      "18446744073709551615",
      "line 1, column 25",
    ],
    ["context.symbol == '\\U00110000'", "a character that does not exist", "Unicode", undefined],
    ["context.attributes.tags.all(x, y == x)", "y is not known", "context", "line 1, column 32"],
  ])("%j is refused: %s", (source, message, expected, position) => {
    const refused = {
      name: "ConditionError",
      message: expect.stringContaining(message) as string,
      position,
      expected: expect.stringContaining(expected) as string,
    };
    expect(() => compileCondition(source)).toThrow(expect.objectContaining(refused));
  });

  it.each([
    ["context.attributes.missing < 1", "there is no member missing (line 1, column 19)"],
    ["context.attributes.desk < 1", "it does not take string and int (line 1, column 25)"],
    ["context.attributes.desk", "is neither true nor false"],
  ])("%s cannot be evaluated, and says why", (source, message) => {
    const condition = compileCondition(source);
    expect(() => condition(asked)).toThrow(message);
  });

  it("a condition with too much nesting is refused", () => {
    const source = `${"(".repeat(1000)}true${")".repeat(1000)}`;
    try {
      expect(compileCondition(source)({})).toBe(true);
    } catch (error) {
      expect(error).toBeInstanceOf(ConditionError);
    }
  });

  const nested = (inner: string, wrap: (inside: string, depth: number) => string): string =>
    Array.from({ length: 60 }).reduce<string>((inside, _, depth) => wrap(inside, depth), inner);

  // If each level were checked twice, there would be 2^60 checks.
  it.each([
    ["in lists", nested("true", (inside) => `true in [${inside}]`)],
    ["in lists of two elements", nested("true", (inside) => `${inside} in [true, false]`)],
    ["in lists and maps", nested("'a'", (inside) => `'a' in {${inside}: 1} ? 'a' : 'b'`).replace(/ \? 'a' : 'b'$/, "")],
    ["in brackets", nested("[true]", (inside) => `[${inside}[0]]`).concat("[0]")],
    ["in maps", nested("true", (inside) => `{'a': ${inside}}['a']`)],
    ["in conditional operators", nested("true", (inside) => `(true ? ${inside} : false)`)],
    ["in the bodies of macros", nested("true", (inside, depth) => `[1].all(x${depth}, ${inside})`)],
    ["in counting macros", nested("true", (inside) => `[1].exists_one(x, ${inside})`)],
    ["in the ranges of macros", nested("[1]", (inside) => `${inside}.filter(x, true)`).concat("[0] == 1")],
    ["in lists of macros", nested("true", (inside, depth) => `[${inside}].exists(x${depth}, x${depth})`)],
    ["in comparisons", nested("true", (inside) => `(${inside} == true)`)],
    ["in conversions", nested("'true'", (inside) => `string(bool(${inside}))`).replace(/^string/, "")],
    ["in dyn", nested("true", (inside) => `dyn(${inside})`)],
  ])("nested 60 times %s is compiled quickly", (_, source) => {
    expect(source.length).toBeLessThanOrEqual(2048);
    try {
      expect(compileCondition(source)({})).toBe(true);
    } catch (error) {
      expect(error).toBeInstanceOf(ConditionError);
    }
  });

  it("a condition with numbers of any length is refused, or has a program that can be sent to clients", () => {
    const digits = fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n });
    const near = fc
      .constantFrom(2n ** 63n, 2n ** 64n, -(2n ** 63n))
      .chain((edge) => fc.integer({ min: -2, max: 2 }).map((by) => edge + BigInt(by)));
    const form = fc.constantFrom("N", "[N]", "{'a': N}", "[1].map(x, N)", "Nu", "[Nu]");
    fc.assert(
      fc.property(fc.oneof(digits, near), form, (number, shape) => {
        const isUint = shape.includes("u");
        const fits = isUint ? number >= 0n && number < 2n ** 64n : number >= -(2n ** 63n) && number < 2n ** 63n;
        const source = `context.attributes.n == ${shape.replace("N", String(number))}`;
        if (fits) expect(encodedSize(programOf(source))).toBeGreaterThan(0);
        else expect(() => programOf(source)).toThrow(ConditionError);
      }),
    );
  });

  it("a condition of any text is compiled or refused, and evaluates to a bool or throws an error", () => {
    const word = fc.constantFrom(
      ..."context . symbol attributes n ( ) [ ] { } , : ? == != < && || ! + - * / % in has all exists map x 1 1.0 'a' true null".split(
        " ",
      ),
    );
    const source = fc.oneof(
      fc.string({ maxLength: 60 }),
      fc.array(word, { maxLength: 20 }).map((words) => words.join("")),
    );
    fc.assert(
      fc.property(source, (text) => {
        let condition: ReturnType<typeof compileCondition>;
        try {
          condition = compileCondition(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ConditionError);
          return;
        }
        try {
          expect(typeof condition(asked)).toBe("boolean");
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: times(600, 6000) },
    );
  });
});
