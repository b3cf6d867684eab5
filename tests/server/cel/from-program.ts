import {
  ConditionInstructionOp,
  type ConditionNode,
  ConditionOp,
  type ConditionProgram,
} from "../../../gen/helios/v1/condition_pb.ts";
import {
  Duration,
  INSTRUCTION_OPS,
  OPS,
  type Program,
  Timestamp,
  TypeValue,
  Uint,
  type Value,
} from "../../../src/core/index.ts";

const NS = 1_000_000_000n;

/** Converts a program from a message, as a client does. Throws a TypeError for unknown parts. */
export function fromProgram(message: ConditionProgram): Program {
  const { version, nodes, patterns, zones, maxSteps, maxBytes } = message;
  return {
    version,
    nodes: nodes.map(({ op, args, index, name, constant }) => ({
      op: named(ConditionOp, op, OPS),
      args,
      index,
      name,
      ...(constant.case === undefined ? {} : { constant: fromConstant(constant) }),
    })),
    patterns: patterns.map(({ text, instructions, classes, start, anchored }) => ({
      text,
      instructions: instructions.map(({ op, next, other }) => {
        return { op: named(ConditionInstructionOp, op, INSTRUCTION_OPS), next, other };
      }),
      classes: classes.map(({ bounds }) => Uint32Array.from(bounds)),
      start,
      anchored,
    })),
    zones: zones.map(({ name, starts, offsets }) => ({ name, starts: starts.map(Number), offsets })),
    maxSteps,
    maxBytes,
  };
}

function fromConstant({ case: kind, value }: Exclude<ConditionNode["constant"], { case: undefined }>): Value {
  switch (kind) {
    case "nullValue":
      return null;
    case "uintValue":
      return new Uint(value);
    case "typeValue":
      return new TypeValue(value);
    case "timestampValue":
      return new Timestamp(value.seconds * NS + BigInt(value.nanos));
    case "durationValue":
      return new Duration(value.seconds * NS + BigInt(value.nanos));
    default:
      return value;
  }
}

function named<T extends string>(
  names: Readonly<Record<string, number | string>>,
  value: number,
  known: readonly T[],
): T {
  const name = known.find((each) => names[each] === value);
  if (name === undefined) throw new TypeError(`${value} is not a known operation of a program`);
  return name;
}
