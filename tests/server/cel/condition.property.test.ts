import { celEnv, isCelError, parse, plan } from "@bufbuild/cel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConditionError, ConditionFailed, type EvaluationContext, type Program } from "../../../src/core/index.ts";
import { CONTEXT_VARIABLES } from "../../../src/kernel/flags/condition/flag.ts";
import { interpreterOf } from "../../../src/kernel/flags/condition/interpret.ts";
import { compileCondition, programOf } from "../../../src/server/cel/condition.ts";
import { times } from "../../effort.ts";

type Source = fc.Arbitrary<string>;
const join = (parts: TemplateStringsArray, ...sources: readonly Source[]): Source =>
  fc.tuple(...sources).map((texts) => String.raw(parts, ...texts));

const A = "context.attributes";
/** Expressions by type. `wild` are those that the library cannot check. */
const { bool, wild } = fc.letrec<Record<"bool" | "num" | "int" | "str" | "list" | "any" | "wild", string>>((tie) => {
  const small = (...options: readonly Source[]): Source => fc.oneof({ depthSize: "xsmall" }, ...options);
  return {
    num: small(
      fc.constantFrom(`${A}.n`, `${A}.m.n`, "1.0", "2.5", "0.0", "-1.0", "x"),
      join`(${tie("num")} + ${tie("num")})`,
      join`(${tie("num")} * ${tie("num")})`,
      join`(${tie("num")} - ${tie("num")})`,
      join`(${tie("bool")} ? ${tie("num")} : ${tie("num")})`,
      join`${tie("list")}[${tie("int")}]`,
    ),
    int: small(
      fc.constantFrom("0", "1", "2", "-3", "7"),
      join`(${tie("int")} + ${tie("int")})`,
      join`(${tie("int")} / ${tie("int")})`,
      join`(${tie("int")} % ${tie("int")})`,
      join`size(${tie("list")})`,
      join`${tie("str")}.size()`,
    ),
    str: small(
      fc.constantFrom(`${A}.s`, "context.symbol", "context.user_id", "'a'", "'🚀b'", "''", "x"),
      join`(${tie("str")} + ${tie("str")})`,
      join`string(${tie("int")})`,
      join`string(${tie("bool")})`,
    ),
    list: small(
      fc.constantFrom(`${A}.l`, `${A}.t`, "[]", "[1.0, 2.0]", "['a', 'b']", `${A}.none`),
      join`[${tie("any")}, ${tie("any")}]`,
      join`(${tie("list")} + ${tie("list")})`,
      join`${tie("list")}.filter(x, ${tie("bool")})`,
      join`${tie("list")}.map(x, ${tie("any")})`,
      join`${tie("list")}.map(x, ${tie("bool")}, ${tie("any")})`,
    ),
    any: small(tie("num"), tie("str"), tie("bool"), tie("list"), fc.constantFrom("null", `${A}.m`, `${A}.none`)),
    bool: small(
      fc.constantFrom("true", "false", `${A}.b`, `has(${A}.none)`, `'n' in ${A}`, `${A}.none.b`),
      join`(${tie("bool")} && ${tie("bool")})`,
      join`(${tie("bool")} || ${tie("bool")})`,
      join`!(${tie("bool")})`,
      join`(${tie("any")} == ${tie("any")})`,
      join`(${tie("any")} != ${tie("any")})`,
      join`(${tie("num")} < ${tie("num")})`,
      join`(${tie("num")} >= ${tie("int")})`,
      join`(${tie("str")} <= ${tie("str")})`,
      join`(${tie("any")} in ${tie("list")})`,
      join`${tie("str")}.contains(${tie("str")})`,
      join`${tie("str")}.startsWith(${tie("str")})`,
      join`${tie("str")}.endsWith(${tie("str")})`,
      join`${tie("str")}.matches('^(a|b)*.$')`,
      join`${tie("list")}.all(x, ${tie("bool")})`,
      join`${tie("list")}.exists(x, ${tie("bool")})`,
      join`${tie("list")}.exists_one(x, ${tie("bool")})`,
    ),
    wild: small(
      tie("bool"),
      // The library treats a value that is not a map as a map without members.
      fc.constant(`has(${A}.m.n)`),
      join`(int(${tie("any")}) < uint(${tie("any")}))`,
      join`(double(${tie("str")}) / ${tie("num")} > 1.0)`,
      join`(timestamp(${tie("any")}) - duration(${tie("any")}) < timestamp(${tie("str")}))`,
      join`(timestamp(${tie("int")}).getDayOfYear('Europe/Zurich') == ${tie("any")})`,
      join`(string(bytes(${tie("str")})) == string(${tie("num")}))`,
      join`({${tie("str")}: ${tie("any")}}.all(x, ${tie("wild")}) || type(${tie("any")}) == string)`,
      join`(bool(${tie("str")}) != (-${tie("num")} < ${tie("num")} ? ${tie("wild")} : false))`,
    ),
  };
});

const json = fc.jsonValue({ maxDepth: 3 });
const contexts: fc.Arbitrary<EvaluationContext> = fc
  .record(
    {
      symbol: fc.constantFrom("", "a", "ab", "🚀b"),
      // The library orders characters beyond U+FFFF by their surrogates.
      userId: fc.constantFrom("", "a", "é", "日本", "e\u0301"),
      attributes: fc.record(
        {
          n: fc.oneof(fc.integer({ min: -5, max: 5 }), json),
          s: fc.oneof(fc.constantFrom("a", "ab", "b", "🚀"), json),
          b: fc.oneof(fc.boolean(), json),
          l: fc.oneof(fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 5 }), json),
          t: fc.array(fc.constantFrom("a", "b", "ab", ""), { maxLength: 4 }),
          m: fc.oneof(fc.record({ n: fc.integer({ min: -3, max: 3 }) }), json),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  )
  .map((context) => JSON.parse(JSON.stringify(context)) as EvaluationContext);

/** Products of such numbers are finite. The library continues with infinity, where the service fails (docs/flags.md). */
const MOST = 1e30;
/** Replaces what the library and the service treat differently. The library also ignores members that are null. */
const comparable = (context: EvaluationContext): EvaluationContext =>
  JSON.parse(JSON.stringify(context), (_key, value) =>
    typeof value === "number" && Math.abs(value) > MOST ? 1 : (value ?? "null"),
  );

/** Undefined: the condition is refused when it is set, or names an unknown variable. */
function compiled(source: string): Program | undefined {
  try {
    return programOf(source);
  } catch (error) {
    expect(error).toBeInstanceOf(ConditionError);
    return undefined;
  }
}

describe("a condition of any expression", () => {
  it("ends within its limits over any context, and fails only with its own kind of error", () => {
    fc.assert(
      fc.property(wild, contexts, (source, context) => {
        const program = compiled(source);
        if (program === undefined) return;
        const { value, failed, steps, bytes } = interpreterOf(program, CONTEXT_VARIABLES)(context);
        expect(value === undefined).toBe(failed !== undefined);
        expect(failed?.message).not.toBe("a value cannot be read");
        if (failed === undefined || failed.kind === "VALUE") {
          expect(steps).toBeLessThanOrEqual(program.maxSteps);
          expect(bytes).toBeLessThanOrEqual(program.maxBytes);
        }
        try {
          expect(typeof compileCondition(source)(context)).toBe("boolean");
        } catch (error) {
          expect(error).toBeInstanceOf(ConditionFailed);
        }
      }),
      { numRuns: times(100, 1000) },
    );
  });

  it("has the same answer as @bufbuild/cel where both follow the language", () => {
    const env = celEnv();
    let compared = 0;
    fc.assert(
      fc.property(bool, contexts.map(comparable), (source, context) => {
        const program = compiled(source);
        if (program === undefined) return;
        const evaluate = plan(env, parse(source)) as (variables: Record<string, unknown>) => unknown;
        const { sessionId = "", userId = "", symbol = "", system = "", attributes = {} } = context;
        const wanted = evaluate({ context: { session_id: sessionId, user_id: userId, symbol, system, attributes } });
        const { value } = interpreterOf(program, CONTEXT_VARIABLES)(context);
        compared += 1;
        const outcomeOf = (one: unknown): unknown => (typeof one === "boolean" ? one : "failed");
        expect([source, outcomeOf(value)]).toEqual([source, outcomeOf(isCelError(wanted) ? undefined : wanted)]);
      }),
      { numRuns: times(200, 1000) },
    );
    expect(compared).toBeGreaterThan(60);
  });
});
