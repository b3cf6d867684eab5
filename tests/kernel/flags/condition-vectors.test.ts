import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CONTEXT_VARIABLES } from "../../../src/kernel/flags/condition/flag.ts";
import { interpreterOf, type ProgramOutcome } from "../../../src/kernel/flags/condition/interpret.ts";
import type { INSTRUCTION_OPS } from "../../../src/kernel/flags/condition/pattern.ts";
import type { Op, Program, ProgramNode } from "../../../src/kernel/flags/condition/program.ts";
import { Duration, Timestamp, TypeValue, Uint, type Value } from "../../../src/kernel/flags/condition/values.ts";
import type { EvaluationContext } from "../../../src/kernel/flags/evaluation.ts";

// An interpreter as a client in any language writes it from the testdata, without a protobuf runtime.

/** `helios.v1.ConditionProgram` in the JSON form of protobuf, which omits defaults. */
interface ProgramJson {
  readonly version: number;
  readonly nodes: readonly NodeJson[];
  readonly patterns?: readonly {
    readonly text?: string;
    readonly instructions: readonly { readonly op: string; readonly next?: number; readonly other?: number }[];
    readonly classes?: readonly { readonly bounds?: readonly number[] }[];
    readonly start?: number;
    readonly anchored?: boolean;
  }[];
  readonly zones?: readonly {
    readonly name: string;
    readonly starts?: readonly string[];
    readonly offsets?: readonly number[];
  }[];
  readonly maxSteps: number;
  readonly maxBytes: number;
}

interface NodeJson {
  readonly op: string;
  readonly args?: readonly number[];
  readonly index?: number;
  readonly name?: string;
  readonly nullValue?: null;
  readonly boolValue?: boolean;
  readonly intValue?: string;
  readonly uintValue?: string;
  readonly doubleValue?: number | string;
  readonly stringValue?: string;
  readonly bytesValue?: string;
  readonly timestampValue?: string;
  readonly durationValue?: string;
  readonly typeValue?: string;
}

type ContextJson = Readonly<Record<"session_id" | "user_id" | "symbol" | "system", string | undefined>> & {
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly repeated_texts?: Readonly<Record<string, readonly [text: string, times: number]>>;
  readonly repeated_values?: Readonly<Record<string, readonly [value: unknown, times: number]>>;
};

const NS_PER_S = 1_000_000_000n;

function programOf({ version, nodes, patterns = [], zones = [], maxSteps, maxBytes }: ProgramJson): Program {
  return {
    version,
    nodes: nodes.map(nodeOf),
    patterns: patterns.map(({ text = "", instructions, classes = [], start = 0, anchored = false }) => ({
      text,
      instructions: instructions.map(({ op, next = 0, other = 0 }) => ({
        op: op.replace("CONDITION_INSTRUCTION_OP_", "") as (typeof INSTRUCTION_OPS)[number],
        next,
        other,
      })),
      classes: classes.map(({ bounds = [] }) => Uint32Array.from(bounds)),
      start,
      anchored,
    })),
    zones: zones.map(({ name, starts = [], offsets = [] }) => ({ name, starts: starts.map(Number), offsets })),
    maxSteps,
    maxBytes,
  };
}

function nodeOf(node: NodeJson): ProgramNode {
  const { op, args = [], index = 0, name = "" } = node;
  const constant = constantOf(node);
  const plain = { op: op.replace("CONDITION_OP_", "") as Op, args, index, name };
  return constant === undefined ? plain : { ...plain, constant };
}

function constantOf(node: NodeJson): Value | undefined {
  if (node.nullValue !== undefined) return null;
  if (node.intValue !== undefined) return BigInt(node.intValue);
  if (node.uintValue !== undefined) return new Uint(BigInt(node.uintValue));
  if (node.doubleValue !== undefined) return Number(node.doubleValue);
  if (node.bytesValue !== undefined) return new Uint8Array(Buffer.from(node.bytesValue, "base64"));
  if (node.typeValue !== undefined) return new TypeValue(node.typeValue);
  if (node.durationValue !== undefined) return new Duration(nanosOf(node.durationValue.replace("s", "")));
  if (node.timestampValue !== undefined) {
    const [, seconds = "", fraction = ""] = /^([^.Z]*)(\.\d+)?Z$/.exec(node.timestampValue) ?? [];
    const whole = BigInt(Date.parse(`${seconds}Z`) / 1000) * NS_PER_S;
    return new Timestamp(whole + nanosOf(`0${fraction}`));
  }
  return node.boolValue ?? node.stringValue;
}

/** Nanoseconds of decimal seconds. */
function nanosOf(text: string): bigint {
  const [whole = "", fraction = ""] = text.replace("-", "").split(".");
  const nanos = BigInt(whole) * NS_PER_S + BigInt(fraction.padEnd(9, "0"));
  return text.startsWith("-") ? -nanos : nanos;
}

function contextOf({ session_id, user_id, repeated_texts, repeated_values, ...rest }: ContextJson): EvaluationContext {
  const texts = Object.entries(repeated_texts ?? {}).map(([name, [text, times]]) => [name, text.repeat(times)]);
  const lists = Object.entries(repeated_values ?? {}).map(([name, [value, times]]) => [name, Array(times).fill(value)]);
  const attributes = { ...rest.attributes, ...Object.fromEntries([...texts, ...lists]) };
  return { ...rest, sessionId: session_id, userId: user_id, attributes };
}

/** The form of values in the vectors. */
function answered({ value, failed, steps, bytes }: ProgramOutcome): object {
  const what = failed?.kind ?? (typeof value === "boolean" ? null : "VALUE");
  const counts = what === "STEPS" || what === "MEMORY" ? { steps: null, bytes: null } : { steps, bytes };
  return { outcome: what !== null ? "failed" : value === true ? "on" : "off", failed: what, ...counts };
}

interface Vector {
  readonly condition: string;
  readonly program: ProgramJson;
  readonly cases: readonly ({ readonly context: ContextJson } & Record<string, unknown>)[];
}

const FILE = new URL("../../../testdata/conditions.json", import.meta.url);
const { conditions } = JSON.parse(readFileSync(FILE, "utf8")) as { readonly conditions: readonly Vector[] };

describe("testdata/conditions.json", () => {
  it("has the same steps and answers as the interpreter", () => {
    expect(conditions.length).toBeGreaterThan(200);
    for (const { condition, program, cases } of conditions) {
      const evaluate = interpreterOf(programOf(program), CONTEXT_VARIABLES);
      for (const { context, ...expected } of cases) {
        expect([condition, context, answered(evaluate(contextOf(context)))]).toEqual([condition, context, expected]);
      }
    }
  });
});
