import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { HeldFlags } from "../../../clients/typescript/src/flags/held.ts";
import { ConditionInstructionOp, ConditionOp } from "../../../gen/helios/v1/condition_pb.ts";
import type { Flag } from "../../../gen/helios/v1/flag_pb.ts";
import { INSTRUCTION_OPS } from "../../../src/kernel/flags/condition/pattern.ts";
import { OPS } from "../../../src/kernel/flags/condition/program.ts";
import type { EvaluationContext } from "../../../src/kernel/flags/evaluation.ts";
import { received } from "./stored.ts";

interface Case {
  readonly title: string;
  readonly flags: Readonly<Record<string, object>>;
  readonly name: string;
  readonly context: Readonly<Record<"session_id" | "user_id" | "symbol" | "system", string | undefined>> & {
    readonly attributes?: Record<string, unknown>;
  };
  readonly now: string;
  readonly expected: Readonly<Record<string, unknown>>;
}

const FILE = new URL("../../../testdata/evaluation.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(FILE, "utf8")) as { readonly cases: readonly Case[] };

function flagsOf(flags: Readonly<Record<string, object>>): HeldFlags {
  const held = new HeldFlags();
  held.replace(received(flags));
  return held;
}

const isOn = (held: HeldFlags, name: string, context: EvaluationContext = { sessionId: "s" }): boolean | undefined =>
  held.decidable(name)?.compiled?.evaluate(context, 0).enabled;

const one = (flags: readonly Flag[]): Flag => flags[0] as Flag;
const ON = { enabled: true, strategy: "all_on" };
const OFF = { enabled: false, strategy: "all_on" };

describe("the flags that a client holds", () => {
  it.each(cases)("are decided as by the service: $title", ({ flags, name, context, now, expected }) => {
    const { session_id, user_id, symbol, system, attributes } = context;
    const asked = { sessionId: session_id, userId: user_id, symbol, system, attributes };
    const answer = flagsOf(flags).decidable(name)?.compiled?.evaluate(asked, Date.parse(now));
    const {
      enabled,
      variant,
      value,
      reason,
      errorCode = null,
      bucket = null,
      variantBucket = null,
      killed,
    } = answer ?? {};
    expect({
      enabled,
      variant,
      value,
      reason,
      error_code: errorCode,
      bucket,
      variant_bucket: variantBucket,
      killed,
    }).toEqual(expected);
  });

  it("follow a change of a flag, of a prerequisite, and of the prerequisite of a prerequisite", () => {
    const held = flagsOf({ a: { ...ON, prerequisites: ["b"] }, b: { ...ON, prerequisites: ["c"] }, c: ON });
    expect(isOn(held, "a")).toBe(true);
    held.put(one(received({ c: OFF }, 2)));
    expect([isOn(held, "c"), isOn(held, "b"), isOn(held, "a")]).toEqual([false, false, false]);
    held.put(one(received({ b: ON }, 3)));
    expect(isOn(held, "a")).toBe(true);
    held.delete("b");
    expect(held.decidable("a")?.compiled?.evaluate({}, 0)).toMatchObject({ errorCode: "PREREQUISITE_MISSING" });
    expect(held.decidable("b")).toBeUndefined();
  });

  it("are replaced by a snapshot, also those that others need", () => {
    const held = flagsOf({ a: { ...ON, prerequisites: ["b"] }, b: ON, gone: ON });
    expect(isOn(held, "a")).toBe(true);
    const [a] = received({ a: { ...ON, prerequisites: ["b"] } });
    held.replace([a as Flag, one(received({ b: OFF }, 2))]);
    expect([isOn(held, "a"), isOn(held, "b"), isOn(held, "gone")]).toEqual([false, false, undefined]);
    expect(held.size).toBe(2);
  });

  it("keep what they have compiled of a flag that a snapshot leaves as it is", () => {
    const held = flagsOf({ a: ON });
    const before = held.decidable("a");
    held.replace(received({ a: ON }));
    expect(held.decidable("a")).toBe(before);
  });

  type Change = (flag: Flag) => object | undefined;
  const unknown: [what: string, change: Change, problem: RegExp][] = [
    ["a newer kernel", (flag) => Object.assign(flag, { kernelVersion: 2 }), /kernel version 2/],
    ["another bucketing", (flag) => Object.assign(flag, { bucketingVersion: 2 }), /bucketing version 2/],
    ["a strategy that it does not know", (flag) => Object.assign(flag, { strategy: 99 }), /strategy 99/],
    ["a bucketing field that it does not know", (flag) => Object.assign(flag, { bucketBy: 99 }), /bucket_by 99/],
    ["parts that were left out", (flag) => Object.assign(flag, { abridged: true }), /too large/],
    [
      "an operation that it does not know",
      ({ conditionProgram }) => conditionProgram?.nodes.map((node) => Object.assign(node, { op: 999 })),
      /operation 999/,
    ],
    [
      "another version of programs",
      ({ conditionProgram }) => conditionProgram && Object.assign(conditionProgram, { version: 2 }),
      /cannot be compiled/,
    ],
  ];

  it.each(unknown)("do not guess about a flag with %s, or about a flag that needs it", (_, change, problem) => {
    const condition = "context.attributes.x == 1.0";
    const held = flagsOf({ a: { ...ON, prerequisites: ["b"] }, b: { ...ON, condition } });
    const b = structuredClone(held.get("b") as Flag);
    change(b);
    held.put(b);
    for (const name of ["a", "b"]) {
      expect(held.decidable(name)).toMatchObject({ compiled: undefined, unsupported: expect.stringMatching(problem) });
    }
  });

  it("read operations by their numbers in the contract", () => {
    const names = (values: object): string[] =>
      Object.entries(values)
        .filter(([, number]) => typeof number === "number" && number > 0)
        .sort(([, a], [, b]) => a - b)
        .map(([name]) => name);
    expect(names(ConditionOp)).toEqual([...OPS]);
    expect(names(ConditionInstructionOp)).toEqual([...INSTRUCTION_OPS]);
  });
});
