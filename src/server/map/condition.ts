import { type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  ConditionInstructionOp,
  type ConditionNodeSchema,
  ConditionOp,
  type ConditionProgram as ConditionProgramMessage,
  ConditionProgramSchema,
} from "../../../gen/helios/v1/condition_pb.ts";
import {
  Duration,
  type Pattern,
  type Program,
  type ProgramNode,
  Timestamp,
  TypeValue,
  Uint,
  type Value,
} from "../../core/index.ts";
import { make, whole } from "./message.ts";

type Constant = MessageInitShape<typeof ConditionNodeSchema>["constant"];

/** A program is sent many times and never changes. Converting a large one takes many times its size. */
const messages = new WeakMap<Program, ConditionProgramMessage>();
const SMALL_INSTRUCTIONS = 256;
const SMALL_BOUNDS = 512;

export function toProgram(program: Program): ConditionProgramMessage {
  const known = messages.get(program);
  if (known !== undefined) return known;
  const { version, nodes, patterns, zones, maxSteps, maxBytes } = program;
  const message = make(ConditionProgramSchema, {
    version,
    nodes: nodes.map(toNode),
    patterns: patterns.map(({ text, instructions, classes, start, anchored }) => ({
      text,
      instructions: instructions.map(({ op, next, other }) => ({ op: ConditionInstructionOp[op], next, other })),
      classes: classes.map((bounds) => ({ bounds: [...bounds] })),
      start,
      anchored,
    })),
    zones: zones.map(({ name, starts, offsets }) => ({ name, starts: starts.map(whole), offsets: [...offsets] })),
    maxSteps,
    maxBytes,
  });
  if (patterns.every(isSmall)) messages.set(program, message);
  return message;
}

function isSmall({ instructions, classes }: Pattern): boolean {
  const bounds = classes.reduce((sum, { length }) => sum + length, 0);
  return instructions.length <= SMALL_INSTRUCTIONS && bounds <= SMALL_BOUNDS;
}

/** Size in bytes. */
export function encodedSize(program: Program): number {
  return toBinary(ConditionProgramSchema, toProgram(program)).length;
}

function toNode({ op, args, index, name, constant }: ProgramNode): MessageInitShape<typeof ConditionNodeSchema> {
  const converted = constant === undefined ? undefined : toConstant(constant);
  return {
    op: ConditionOp[op],
    args: [...args],
    index,
    name,
    ...(converted === undefined ? {} : { constant: converted }),
  };
}

function toConstant(value: Value): Constant {
  if (value === null) return { case: "nullValue", value: 0 };
  if (typeof value === "boolean") return { case: "boolValue", value };
  if (typeof value === "bigint") return { case: "intValue", value };
  if (typeof value === "number") return { case: "doubleValue", value };
  if (typeof value === "string") return { case: "stringValue", value };
  if (value instanceof Uint8Array) return { case: "bytesValue", value: new Uint8Array(value) };
  if (value instanceof Uint) return { case: "uintValue", value: value.value };
  if (value instanceof TypeValue) return { case: "typeValue", value: value.name };
  if (value instanceof Duration) return { case: "durationValue", value: parts(value.ns) };
  if (value instanceof Timestamp) {
    const { seconds, nanos } = parts(value.ns);
    return { case: "timestampValue", value: floored(seconds, nanos) };
  }
  throw new TypeError("a program cannot have a list or map as a constant");
}

const NS = 1_000_000_000n;

function parts(ns: bigint): { readonly seconds: bigint; readonly nanos: number } {
  return { seconds: ns / NS, nanos: Number(ns % NS) };
}

/** The nanoseconds of a timestamp are never negative. */
function floored(seconds: bigint, nanos: number): { readonly seconds: bigint; readonly nanos: number } {
  return nanos < 0 ? { seconds: seconds - 1n, nanos: nanos + 1_000_000_000 } : { seconds, nanos };
}
