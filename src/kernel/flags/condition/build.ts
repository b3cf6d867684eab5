import { Failure, UNITS_PER_STEP } from "./budget.ts";
import { comprehension } from "./comprehension.ts";
import type { Evaluate, Variables } from "./evaluator.ts";
import { BINARY, type Binary, ELEMENT_BYTES, UNARY, unfit } from "./operations.ts";
import type { Matcher } from "./pattern.ts";
import { ProgramError, type ProgramNode } from "./program.ts";
import { MADE_OVERHEAD } from "./texts.ts";
import { partOfDuration, partOfTimestamp, type TimePart } from "./times.ts";
import { type AnyMap, Duration, isLarge, isMap, keyOf, MadeMap, read, Timestamp, type Value } from "./values.ts";
import type { Zone } from "./zone.ts";

/** The bytes that are counted for a member of a new map. */
export const MEMBER_BYTES = 32;

/** The input for preparing a node. */
export interface Build {
  readonly node: ProgramNode;
  readonly index: number;
  /** The nodes before this one, prepared. */
  readonly built: readonly Evaluate[];
  /** The values of these nodes. Undefined: the node is not constant. */
  readonly constants: readonly (Value | undefined)[];
  readonly matchers: readonly Matcher[];
  readonly zones: readonly Zone[];
  readonly variables: Variables<unknown>;
}

export interface Built {
  readonly evaluate: Evaluate;
  /** The value of the node if it is constant: a constant, or a list or map of constants. It is made once. */
  readonly constant?: Value;
}

export function buildNode(build: Build): Built {
  const { node, index, built } = build;
  const at = (failure: Failure): Failure => {
    if (failure.node < 0) failure.node = index;
    return failure;
  };
  const [first, second] = node.args.map((arg) => built[arg] as Evaluate);
  const unary = UNARY[node.op];
  if (unary !== undefined && first !== undefined && second === undefined) {
    return {
      evaluate: (run, subject) => {
        run.step(1);
        const value = first(run, subject);
        if (value instanceof Failure) return value;
        const answer = unary(value, run);
        return answer instanceof Failure ? at(answer) : answer;
      },
    };
  }
  const binary = BINARY[node.op];
  if (binary !== undefined && first !== undefined && second !== undefined && node.args.length === 2) {
    const quick = node.op === "IN" ? listed(build.constants[node.args[1] as number], binary) : binary;
    return {
      evaluate: (run, subject) => {
        run.step(1);
        const a = first(run, subject);
        if (a instanceof Failure) return a;
        const b = second(run, subject);
        if (b instanceof Failure) return b;
        const answer = quick(a, b, run);
        return answer instanceof Failure ? at(answer) : answer;
      },
    };
  }
  return special(build, at);
}

function special(build: Build, at: (failure: Failure) => Failure): Built {
  const { node, built, variables, matchers, zones } = build;
  const { op, args, name } = node;
  const parts = args.map((arg) => built[arg] as Evaluate);
  const [first, second, third] = parts;
  switch (op) {
    case "CONSTANT": {
      const { constant } = node;
      if (constant === undefined) break;
      return fixed(constant);
    }
    case "LIST":
    case "MAP":
      return literal(build, parts, at);
    case "VARIABLE": {
      const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
      if (value === undefined) break;
      return {
        evaluate: (run, subject) => {
          run.step(1);
          const found = read(value(subject));
          if (found === undefined) return at(new Failure(`${name} is missing`));
          return found instanceof Failure ? at(found) : found;
        },
      };
    }
    case "HAS_VARIABLE": {
      const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
      if (value === undefined) break;
      return {
        evaluate: (run, subject) => {
          run.step(1);
          return isThere(value(subject));
        },
      };
    }
    case "LOCAL":
      return {
        evaluate: (run) => {
          run.step(1);
          return run.slots[node.index] as Value;
        },
      };
    case "SELECT":
    case "HAS":
      if (first === undefined) break;
      return { evaluate: selected(first, name, op === "HAS", at) };
    case "AND":
    case "OR":
      if (parts.length < 2) break;
      return { evaluate: joinedBy(parts, op === "OR", at) };
    case "CONDITIONAL":
      if (first === undefined || second === undefined || third === undefined) break;
      return {
        evaluate: (run, subject) => {
          run.step(1);
          const which = first(run, subject);
          if (which === true) return second(run, subject);
          if (which === false) return third(run, subject);
          return which instanceof Failure ? which : at(unfit(which));
        },
      };
    case "MATCHES": {
      const matches = matchers[node.index];
      if (first === undefined || matches === undefined) break;
      return {
        evaluate: (run, subject) => {
          run.step(1);
          const text = first(run, subject);
          if (text instanceof Failure) return text;
          return typeof text === "string" ? matches(text, run) : at(unfit(text));
        },
      };
    }
    case "ALL":
    case "EXISTS":
    case "EXISTS_ONE":
    case "FILTER":
    case "TRANSFORM":
      if (first === undefined || second === undefined) break;
      return { evaluate: comprehension(op, node.index, first, second, third, at) };
    default: {
      if (!op.startsWith("GET_") || first === undefined) break;
      const zone = node.index === 0 ? undefined : zones[node.index - 1];
      if (node.index !== 0 && zone === undefined) break;
      return { evaluate: part(first, op.slice(4) as TimePart, zone, at) };
    }
  }
  throw new ProgramError(`node ${build.index} (${op}) lacks an operand or a field that it needs`);
}

function fixed(constant: Value): Built {
  return {
    constant,
    evaluate: (run) => {
      run.step(1);
      return constant;
    },
  };
}

/** A list of constants is made once, and costs one step and no memory. */
function literal({ node, constants }: Build, parts: readonly Evaluate[], at: (failure: Failure) => Failure): Built {
  const isMapOf = node.op === "MAP";
  const known = node.args.map((arg) => constants[arg]);
  if (known.every((each) => each !== undefined)) {
    const made = isMapOf ? mapOf(known) : known;
    return made instanceof Failure ? { evaluate: failing(at(made)) } : fixed(made);
  }
  const size = isMapOf
    ? MADE_OVERHEAD + (parts.length / 2) * MEMBER_BYTES
    : MADE_OVERHEAD + parts.length * ELEMENT_BYTES;
  return {
    evaluate: (run, subject) => {
      run.step(1);
      run.make(size);
      const values: Value[] = [];
      for (const part of parts) {
        const value = part(run, subject);
        if (value instanceof Failure) return value;
        values.push(value);
      }
      if (!isMapOf) return values;
      for (let key = 0; key < values.length; key += 2) {
        const text = values[key];
        if (typeof text === "string") run.pass(text.length);
      }
      const made = mapOf(values);
      return made instanceof Failure ? at(made) : made;
    },
  };
}

function failing(failure: Failure): Evaluate {
  return (run) => {
    run.step(1);
    return failure;
  };
}

/** A map of these: each key is followed by its value. */
function mapOf(parts: readonly Value[]): MadeMap | Failure {
  const map = new MadeMap();
  for (let index = 0; index < parts.length; index += 2) {
    const key = parts[index] as Value;
    const value = parts[index + 1] as Value;
    const same = typeof key === "number" ? undefined : keyOf(key);
    if (same === undefined) return new Failure("a key is an int, a uint, a bool or a string");
    if (map.members.has(same)) return new Failure("a key comes twice");
    map.members.set(same, { key, value });
  }
  return map;
}

function selected(of: Evaluate, name: string, asks: boolean, at: (failure: Failure) => Failure): Evaluate {
  return (run, subject) => {
    run.step(1);
    const value = of(run, subject);
    if (value instanceof Failure) return value;
    if (!isMap(value)) return at(unfit(value));
    const found = ownMember(value, name);
    if (asks) return found !== undefined;
    if (found === undefined) return at(new Failure(`there is no member ${name}`));
    return found instanceof Failure ? at(found) : found;
  };
}

function ownMember(map: AnyMap, name: string): Value | undefined | Failure {
  if (map instanceof MadeMap) return map.members.get(name)?.value;
  return Object.hasOwn(map, name) ? read(map[name]) : undefined;
}

/** If an operand has the deciding value, false for AND and true for OR, that is the result. Otherwise the first failure is. */
function joinedBy(parts: readonly Evaluate[], decisive: boolean, at: (failure: Failure) => Failure): Evaluate {
  return (run, subject) => {
    run.step(1);
    let failed: Failure | undefined;
    for (const part of parts) {
      const value = part(run, subject);
      if (value === decisive) return decisive;
      if (typeof value !== "boolean") failed ??= value instanceof Failure ? value : at(unfit(value));
    }
    return failed ?? !decisive;
  };
}

/** A variable counts as absent if it is undefined, null, an empty text or an object without members. */
function isThere(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return false;
  if (typeof value !== "object" || Array.isArray(value)) return true;
  if (isLarge(value)) return true;
  for (const key in value) if (Object.hasOwn(value, key)) return true;
  return false;
}

function part(of: Evaluate, what: TimePart, zone: Zone | undefined, at: (failure: Failure) => Failure): Evaluate {
  return (run, subject) => {
    run.step(1);
    const value = of(run, subject);
    if (value instanceof Failure) return value;
    if (value instanceof Timestamp) return partOfTimestamp(value, what, zone);
    const answer = value instanceof Duration && zone === undefined ? partOfDuration(value, what) : unfit(value);
    return answer instanceof Failure ? at(answer) : answer;
  };
}

/** `in` for a list of constant texts. It does not go through the list, but counts as many steps. */
function listed(list: Value | undefined, going: Binary): Binary {
  if (!Array.isArray(list) || !list.every((each) => typeof each === "string")) return going;
  const texts: readonly string[] = list;
  const places = new Map<string, number>();
  for (const [place, text] of texts.entries()) if (!places.has(text)) places.set(text, place);
  const areShort = texts.every((text) => text.length < UNITS_PER_STEP);
  return (value, of, run) => {
    // A comparison takes the steps of the shorter text.
    if (typeof value !== "string" || !(areShort || value.length < UNITS_PER_STEP)) return going(value, of, run);
    const place = places.get(value);
    run.step(place === undefined ? texts.length : place + 1);
    return place !== undefined;
  };
}
