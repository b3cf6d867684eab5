import type {
  ConditionNode,
  ConditionPattern,
  ConditionProgram,
  ConditionZone,
} from "../../../../gen/helios/v1/condition_pb.ts";
import { INSTRUCTION_OPS, type Instruction, type Pattern } from "../../../../src/kernel/flags/condition/pattern.ts";
import { OPS, type Program, type ProgramNode } from "../../../../src/kernel/flags/condition/program.ts";
import { Duration, Timestamp, TypeValue, Uint, type Value } from "../../../../src/kernel/flags/condition/values.ts";
import type { Zone } from "../../../../src/kernel/flags/condition/zone.ts";

/** A part of a flag that this client does not know, so that it cannot decide the flag. */
export class Unsupported extends Error {
  override readonly name = "Unsupported";
}

/** Converts the program of a condition. Throws Unsupported if it has a part that this client does not know. */
export function fromProgram({ version, nodes, patterns, zones, maxSteps, maxBytes }: ConditionProgram): Program {
  return {
    version,
    nodes: nodes.map(fromNode),
    patterns: patterns.map(fromPattern),
    zones: zones.map(fromZone),
    maxSteps,
    maxBytes,
  };
}

function fromNode({ op, args, index, name, constant }: ConditionNode): ProgramNode {
  // The contract numbers the operations from 1, in the order of the kernel.
  const known = OPS[op - 1];
  if (known === undefined) throw new Unsupported(`the operation ${op} of a condition`);
  const node = { op: known, args, index, name };
  return constant.case === undefined ? node : { ...node, constant: fromConstant(constant) };
}

function fromConstant(constant: ConditionNode["constant"]): Value {
  switch (constant.case) {
    case "nullValue":
      return null;
    case "uintValue":
      return new Uint(constant.value);
    case "timestampValue":
      return new Timestamp(nanosOf(constant.value));
    case "durationValue":
      return new Duration(nanosOf(constant.value));
    case "typeValue":
      return new TypeValue(constant.value);
    case undefined:
      throw new Unsupported("a constant of a condition");
    default:
      return constant.value;
  }
}

const NANOS = 1_000_000_000n;
const nanosOf = ({ seconds, nanos }: { readonly seconds: bigint; readonly nanos: number }): bigint =>
  seconds * NANOS + BigInt(nanos);

function fromPattern({ text, instructions, classes, start, anchored }: ConditionPattern): Pattern {
  return {
    text,
    instructions: instructions.map(({ op, next, other }): Instruction => {
      const known = INSTRUCTION_OPS[op - 1];
      if (known === undefined) throw new Unsupported(`the instruction ${op} of a pattern`);
      return { op: known, next, other };
    }),
    classes: classes.map(({ bounds }) => Uint32Array.from(bounds)),
    start,
    anchored,
  };
}

function fromZone({ name, starts, offsets }: ConditionZone): Zone {
  return { name, starts: starts.map(Number), offsets };
}
