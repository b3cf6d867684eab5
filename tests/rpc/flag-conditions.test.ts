import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ConditionOp } from "../../gen/helios/v1/condition_pb.ts";
import { ErrorCode, EvaluationContextSchema, Reason } from "../../gen/helios/v1/flag_pb.ts";
import { type Flag, messageOf } from "../../src/core/index.ts";
import { rig } from "./flag-rig.ts";

const DOUBLING = ".map(x, x + x + x + x)".repeat(11);
const BOMB = `['${"a".repeat(64)}']${DOUBLING}.all(z, z.size() > 0)`;
/** The same for a condition whose cost depends on the context. */
const LATE_BOMB = `[context.symbol]${DOUBLING}.all(z, z.size() > 0)`;
const LATE_LISTS = `[context.attributes.l]${".map(x, x + x + x + x)".repeat(9)}.all(z, z.size() > 0)`;
const flag = (name: string, condition: string) => ({ name, enabled: true, condition });
const failed = { enabled: false, reason: Reason.ERROR, errorCode: ErrorCode.CONDITION_FAILED };
const list = (length: number): number[] => Array(length).fill(1);

describe("a condition that costs too much", () => {
  it("is refused when it is set if its constants alone cost too much", async () => {
    const { client } = await rig();
    await expect(client.createFlag({ flag: flag("bomb", BOMB) })).rejects.toThrow(
      /line 1, column \d+: it can never be evaluated: it takes more than 10000 steps/,
    );
    await client.createFlag({ flag: flag("calm", "true") });
    await expect(client.updateFlag({ flag: flag("calm", BOMB), updateMask: { paths: ["condition"] } })).rejects.toThrow(
      "it can never be evaluated",
    );
  });

  it.each([
    ["texts that double in length", LATE_BOMB, { symbol: "a".repeat(64) }, "steps"],
    ["lists that double in length", LATE_LISTS, { attributes: { l: list(64) } }, "bytes"],
    [
      "nested loops",
      "context.attributes.l.all(a, context.attributes.l.all(b, a + b < 9.0))",
      { attributes: { l: list(500) } },
      "steps",
    ],
    [
      "a negated condition",
      "!(context.attributes.l.all(a, a > 0.0) || true)",
      { attributes: { l: list(9000) } },
      "steps",
    ],
    [
      "an alternative that holds",
      "context.attributes.l.all(a, a > 0.0) || true",
      { attributes: { l: list(9000) } },
      "steps",
    ],
    [
      "a long text",
      "context.session_id.matches('(x+)+y') == false",
      { sessionId: "x".repeat(1024), attributes: {} },
      undefined,
    ],
    ["a longer text", "context.attributes.t.matches('(x+)+y')", { attributes: { t: "x".repeat(200_000) } }, "steps"],
  ])("%s: makes the flag off, and Explain names the limit", async (_what, condition, context, limit) => {
    const { client } = await rig();
    await client.createFlag({ flag: flag("f", condition) });
    const { evaluation } = await client.evaluateFlag({ name: "f", context });
    if (limit === undefined) {
      expect(evaluation?.enabled).toBe(true);
      return;
    }
    expect(evaluation).toMatchObject(failed);
    const { explanations } = await client.explainFlag({ name: "f", context });
    const said = expect.stringMatching(`cannot be evaluated: it takes more than \\d+ ${limit}: off, CONDITION_FAILED`);
    expect(explanations.at(-1)).toMatchObject({ stopped: true, outcome: said });
  });

  it("turns only its own flag off if it was stored before it was refused", async () => {
    const { client, feed } = await rig();
    await client.createFlag({ flag: flag("calm", "true") });
    const calm = JSON.parse((await feed.store.get("flag/calm"))?.value ?? "") as Flag["record"];
    const stored: Record<string, string> = {
      bomb: BOMB,
      dynamic: "context.symbol.matches(context.user_id)",
      unread: "this is not CEL",
    };
    for (const [name, condition] of Object.entries(stored)) {
      const record = JSON.stringify({ ...calm, condition, salt: name });
      await feed.store.put(`flag/${name}`, record, { cause: { action: "before" } });
    }
    const { evaluations } = await client.evaluateFlags({});
    expect(evaluations.map(({ name, enabled, errorCode }) => [name, enabled, errorCode])).toEqual([
      ["bomb", false, ErrorCode.CONDITION_FAILED],
      ["calm", true, ErrorCode.UNSPECIFIED],
      ["dynamic", false, ErrorCode.CONDITION_FAILED],
      ["unread", false, ErrorCode.CONDITION_FAILED],
    ]);
    const { explanations } = await client.explainFlag({ name: "dynamic" });
    expect(explanations.at(-1)?.outcome).toBe("cannot be read: the pattern is not constant: off, CONDITION_FAILED");
    expect((await client.getFlag({ name: "bomb" })).flag).toMatchObject({ condition: BOMB });
    expect((await client.getFlag({ name: "bomb" })).flag?.conditionProgram).toBeUndefined();
  });

  it("many times over is answered for each flag, on each page", async () => {
    const { client } = await rig();
    const condition = "context.attributes.l.all(a, context.attributes.l.all(b, a + b < 9.0))";
    for (let index = 0; index < 40; index += 1) await client.createFlag({ flag: flag(`f${index}`, condition) });
    const context = create(EvaluationContextSchema, { attributes: { l: list(500) } });
    const { evaluations } = await client.evaluateFlags({ context });
    expect(evaluations.every(({ errorCode }) => errorCode === ErrorCode.CONDITION_FAILED)).toBe(true);
    const some = await client.evaluateFlags({ context, pageSize: 10 });
    expect(some.evaluations).toHaveLength(10);
    const rest = await client.evaluateFlags({ context, pageSize: 50, pageToken: some.nextPageToken });
    expect([rest.evaluations.length, rest.nextPageToken]).toEqual([30, ""]);
  });
});

describe("a value that is not a number, or is missing", () => {
  it.each(["x > 5.0", "x < 5.0", "x == 5.0", "x.y == 1.0", 'x.contains("a")', "x[0] == 1.0"])(
    "never turns a flag on: %s, and its negation",
    async (comparison) => {
      const { client } = await rig();
      await client.createFlag({ flag: flag("is", `context.attributes.${comparison}`) });
      await client.createFlag({ flag: flag("not", `!(context.attributes.${comparison})`) });
      for (const name of ["is", "not"]) {
        expect((await client.evaluateFlag({ name, context: {} })).evaluation).toMatchObject(failed);
      }
    },
  );

  it.each(["", " ", "n/a", "0x10", "NaN", "Infinity", "1e999", "1_000", " 1", "٣"])(
    "%j is not converted to a number",
    async (x) => {
      const { client } = await rig();
      const conversions = [
        "int(?) < 1",
        "uint(?) < 1u",
        "double(?) < 1.0",
        "timestamp(?) < timestamp(0)",
        'duration(?) < duration("1s")',
      ];
      for (const [index, conversion] of conversions.entries()) {
        for (const [sign, name] of [
          ["", `is${index}`],
          ["!", `not${index}`],
        ] as const) {
          const condition = `${sign}(${conversion.replace("?", "context.attributes.x")})`;
          await client.createFlag({ flag: flag(name, condition) });
          expect((await client.evaluateFlag({ name, context: { attributes: { x } } })).evaluation).toMatchObject(
            failed,
          );
        }
      }
    },
  );

  it.each([
    [
      "EvaluateFlag",
      (client: Awaited<ReturnType<typeof rig>>["client"], context: object) =>
        client.evaluateFlag({ name: "f", context }),
    ],
    [
      "EvaluateFlags",
      (client: Awaited<ReturnType<typeof rig>>["client"], context: object) => client.evaluateFlags({ context }),
    ],
    [
      "EvaluateFlags at a revision",
      (client: Awaited<ReturnType<typeof rig>>["client"], context: object) =>
        client.evaluateFlags({ context, asOfRevision: 1n }),
    ],
    [
      "ExplainFlag",
      (client: Awaited<ReturnType<typeof rig>>["client"], context: object) =>
        client.explainFlag({ name: "f", context }),
    ],
  ])("%s refuses a context with a number that is not finite, with the place", async (_rpc, call) => {
    const { client } = await rig();
    await client.createFlag({ flag: flag("f", "true") });
    for (const [attributes, place] of [
      [{ x: Number.NaN }, "context.attributes.x"],
      [{ x: [1, { y: Number.NEGATIVE_INFINITY }] }, "context.attributes.x[1].y"],
    ] as const) {
      const error = await call(client, { attributes }).then(String, messageOf);
      expect(error).toContain(place);
      expect(error).toContain("invalid_argument");
    }
  });
});

describe("the program of a condition", () => {
  it("is returned with the flag, but not in its history and its export", async () => {
    const { client } = await rig();
    const condition = 'context.symbol == "BTCZAR" && timestamp(0).getHours("Europe/Zurich") == 1';
    const created = (await client.createFlag({ flag: flag("f", condition) })).flag;
    const program = created?.conditionProgram;
    expect(program).toMatchObject({ version: 1, maxSteps: 10_000, maxBytes: 1_048_576 });
    expect(program?.nodes.at(-1)?.op).toBe(ConditionOp.AND);
    expect((await client.getFlag({ name: "f" })).flag?.conditionProgram).toEqual(program);
    expect((await client.listFlags({})).flags[0]?.conditionProgram).toEqual(program);
    for await (const frame of client.watchFlags({})) {
      const received = frame.frame.case === "snapshot" ? frame.frame.value.flags[0]?.conditionProgram : undefined;
      expect(received).toEqual(program);
      break;
    }
    const { entries } = await client.listFlagHistory({ name: "f" });
    expect(entries[0]?.after?.conditionProgram).toBeUndefined();
    expect(JSON.stringify((await client.exportFlags({})).flags)).not.toContain("program");
  });

  it("is not accepted from a caller", async () => {
    const { client } = await rig();
    const other = (await client.createFlag({ flag: flag("other", "false") })).flag?.conditionProgram;
    const sent = { ...flag("f", "true"), ...(other === undefined ? {} : { conditionProgram: other }) };
    const { flag: created } = await client.createFlag({ flag: sent });
    expect(created?.conditionProgram).not.toEqual(other);
    expect((await client.evaluateFlag({ name: "f" })).evaluation?.enabled).toBe(true);
    const mask = { paths: ["condition_program"] };
    await expect(client.updateFlag({ flag: sent, updateMask: mask })).rejects.toThrow("cannot be changed");
  });
});
