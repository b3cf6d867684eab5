import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonSourceError } from "../../../src/core/json/error.ts";
import { type JsonPath, pathText } from "../../../src/core/json/path.ts";
import { readJsonSource } from "../../../src/core/json/source.ts";
import { numberViolation } from "../../../src/core/json/tree.ts";
import { times } from "../../effort.ts";

/** Free-form JSON whose numbers are exact. */
const held = fc.jsonValue().filter((value) => numberViolation(value, []) === undefined);

function failure(text: string): JsonSourceError {
  try {
    const [mistake] = readJsonSource(text).mistakes;
    if (mistake !== undefined) return mistake;
  } catch (error) {
    if (error instanceof JsonSourceError) return error;
    throw error;
  }
  throw new Error(`no error for ${text}`);
}

describe("readJsonSource", () => {
  it("reads what JSON.parse reads, with the same value", () => {
    fc.assert(
      fc.property(held, fc.constantFrom(undefined, 0, 2, "\t"), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent);
        expect(readJsonSource(text).value).toEqual(JSON.parse(text));
      }),
    );
  });

  it("refuses everything that JSON.parse refuses", () => {
    const pieces = fc.constantFrom(
      ..."{}[]:,\"\\ \n\t0123-+.eEtruefalsnul/'\u0000\u007fx".split(""),
      "true",
      '"a"',
      "1",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
        const text = parts.join("");
        let plain: unknown;
        try {
          plain = JSON.parse(text);
        } catch {
          expect(() => readJsonSource(text)).toThrow(JsonSourceError);
          return;
        }
        const { value, mistakes } = readJsonSource(text);
        if (mistakes.length === 0) expect(value).toEqual(plain);
      }),
      { numRuns: times(1000, 10_000) },
    );
  });

  it("knows the line of every member and element, for every kind of line ending", () => {
    for (const end of ["\n", "\r\n", "\r"]) {
      const text = [
        "{",
        '  "a": {',
        '    "b":',
        "      1,",
        '    "c": [',
        "      1,",
        "      {",
        '"d": 2',
        "}]}}",
      ].join(end);
      const { lineOf } = readJsonSource(text);
      expect(lineOf([])).toBe(1);
      expect(lineOf(["a"])).toBe(2);
      expect(lineOf(["a", "b"])).toBe(3);
      expect(lineOf(["a", "c", 0])).toBe(6);
      expect(lineOf(["a", "c", 1, "d"])).toBe(8);
    }
  });

  it("knows the line of every part of a text that has one part per line", () => {
    const check = (value: unknown, indent: number): void => {
      const { lineOf } = readJsonSource(JSON.stringify(value, undefined, indent));
      let line = 1;
      const walk = (part: unknown, path: JsonPath): void => {
        expect(lineOf(path)).toBe(line);
        if (typeof part !== "object" || part === null || Object.keys(part).length === 0) return;
        for (const [key, member] of Object.entries(part)) {
          line += 1;
          walk(member, [...path, Array.isArray(part) ? Number(key) : key]);
        }
        line += 1;
      };
      walk(value, []);
    };
    fc.assert(fc.property(held, fc.integer({ min: 1, max: 3 }), check));
    check({ undefined: { undefined: [1, { undefined: 1 }] } }, 1);
  });

  it("answers with the nearest enclosing line for a path that does not exist", () => {
    expect(readJsonSource('{\n"a": {\n"b": 1}}').lineOf(["a", "missing", 3])).toBe(2);
  });

  it("reads a member named __proto__ as an ordinary member", () => {
    const { value } = readJsonSource('{"__proto__": {"polluted": true}}');
    expect(Object.keys(value as object)).toEqual(["__proto__"]);
    expect((value as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it("skips a byte order mark", () => {
    expect(readJsonSource("\uFEFF[1]").value).toEqual([1]);
  });

  it("names line, column and the part that it was reading", () => {
    const error = failure('{\n  "a": {\n    "b": [1, }\n  }\n}');
    expect(error).toMatchObject({ line: 3, column: 14, path: ["a", "b", 1], expected: "a JSON value" });
    expect(error.problem).toBe('unexpected "}" at column 14');
  });

  it.each([
    ["", 1, "the text ends here"],
    ['{"a": 1,\n}', 2, 'unexpected "}" at column 1'],
    ['{\n"a": NaN}', 2, '"NaN" is not JSON'],
    ['{"a": -Infinity}', 1, '"-Infinity" is not JSON'],
    ['{"a": 1e999}', 1, '"1e999" is too large'],
    ["{'a': 1}", 1, 'unexpected "\'" at column 2'],
    ["{a: 1}", 1, 'unexpected "a" at column 2'],
    ['{"a" 1}', 1, 'unexpected "1" at column 6'],
    ['{"a": 01}', 1, 'unexpected "1" at column 8'],
    ["[1] 2", 1, 'unexpected "2" at column 5'],
    ["// flags\n{}", 1, 'unexpected "/" at column 1'],
    ['["a\nb"]', 1, "the string does not end on its line, or has an invalid escape"],
    ['["\\x41"]', 1, "the string does not end on its line, or has an invalid escape"],
  ])("says what is wrong with %j", (text, line, problem) => {
    expect(failure(text)).toMatchObject({ line, problem });
  });

  it("refuses a duplicate name, and says where the first one is", () => {
    const error = failure('{\n"a": {"x": 1},\n"b": 2,\n"a": 3\n}');
    expect(error).toMatchObject({ line: 4, column: 1, path: ["a"], problem: "comes twice, first in line 2" });
    const inner = { line: 5, column: 2, path: ["b", 1, "x"], problem: "comes twice, first in line 3" };
    expect(failure('{"a": 1,\n"b": [0, {\n"x": 1,\n"y": 1,\n "x": 1}]}')).toMatchObject(inner);
    expect(failure('[{\n"x": 1, "x": 1}]')).toMatchObject({ line: 2, column: 9, path: [0, "x"] });
  });

  it("refuses names that are equal after their escapes are decoded", () => {
    expect(failure('{"a": 1, "\\u0061": 2}').path).toEqual(["a"]);
  });

  it("refuses nesting that would overflow the stack", () => {
    expect(readJsonSource("[".repeat(200) + "]".repeat(200)).value).toHaveLength(1);
    expect(failure("[".repeat(100_000)).problem).toBe("nested too deeply");
  });
});

describe("mistakes in a text that is valid JSON", () => {
  const received = (text: string) =>
    readJsonSource(text).mistakes.map(({ line, column, path, problem }) => [line, column, pathText(path), problem]);

  it("are collected with their places where a value would change by reading, and reading continues", () => {
    const text = `{ "a": 1,
      "b": { "x": [1e999, { "y": 1,
        "y": 2,
        "z": "\\ud800", "y": 3 }] },
      "a": { "n": 9007199254740993 },
      "\\udc00": 0,
      "a": 3 }`;
    const { value, mistakeCount, namesTwice, lineOf } = readJsonSource(text);
    expect(received(text)).toEqual([
      [2, 20, "b.x[0]", '"1e999" is too large'],
      [3, 9, "b.x[1].y", "comes twice, first in line 2"],
      [4, 14, "b.x[1].z", "it has half a character (a lone surrogate)"],
      [4, 24, "b.x[1].y", "comes twice, first in line 2"],
      [5, 7, "a", "comes twice, first in line 1"],
      [5, 19, "a.n", '"9007199254740993" is too large'],
      [6, 7, '["\\udc00"]', "it has half a character (a lone surrogate)"],
      [7, 7, "a", "comes twice, first in line 1"],
    ]);
    expect([mistakeCount, namesTwice]).toEqual([8, 4]);
    expect(value).toEqual({ a: 3, b: { x: [Infinity, { y: 3, z: "\ud800" }] }, "\udc00": 0 });
    expect([lineOf(["a"]), lineOf(["b", "x", 1, "y"])]).toEqual([7, 4]);
  });

  it("are collected also in a document that is not an object", () => {
    expect(received('[{ "a": 1,\n"a": 2 }, 1e999]')).toEqual([
      [2, 1, "[0].a", "comes twice, first in line 1"],
      [2, 11, "[1]", '"1e999" is too large'],
    ]);
  });

  it("are kept up to a thousand, and only counted beyond that", () => {
    const twice = `{${'"x": 1, '.repeat(699)}"x": 1}`;
    const { mistakes, mistakeCount, namesTwice } = readJsonSource(
      `{"a": ${twice}, "b": [${twice}, 1e999], "c": ${twice}}`,
    );
    expect([mistakes.length, mistakeCount, namesTwice]).toEqual([1000, 2098, 2097]);
    expect(mistakes.map(({ path }) => pathText(path))).toEqual([
      ...Array.from({ length: 699 }, () => "a.x"),
      ...Array.from({ length: 301 }, () => "b[0].x"),
    ]);
  });

  it("do not matter if the text is not JSON: that is thrown", () => {
    expect(() => readJsonSource('{"a": 1e999, "a": 1,}')).toThrow("a name in quotes");
  });
});

describe("pathText", () => {
  it("writes paths in the usual notation", () => {
    expect(pathText([])).toBe("(top level)");
    expect(pathText(["modules", 2, "config", "a b"])).toBe('modules[2].config["a b"]');
    expect(pathText(["a.b", "percentage"])).toBe('["a.b"].percentage');
  });
});
