import {
  MAX_INT,
  MAX_UINT,
  MIN_INT,
  type Op,
  PROGRAM_MAX_DEPTH,
  TypeValue,
  Uint,
  type Value,
} from "../../core/index.ts";
import { type Call, CelError, type CelNode, type Macro, type PlaceOf, type Select, type Struct } from "./tree.ts";

/** A node of a program under construction. */
export interface Term {
  readonly op: Op;
  readonly args: readonly Term[];
  readonly index: number;
  readonly name: string;
  readonly constant?: Value;
  /** The node of the tree from which it was made. */
  readonly id: unknown;
}

/** The names of an expression: its variables, and an object such as `context` whose fields are variables. */
export interface Roots {
  readonly variables: readonly string[];
  readonly object?: { readonly name: string; readonly fields: readonly string[] };
}

const OPERATORS: Readonly<Record<string, Op>> = {
  "!_": "NOT",
  "-_": "NEGATE",
  "_+_": "ADD",
  "_-_": "SUBTRACT",
  "_*_": "MULTIPLY",
  "_/_": "DIVIDE",
  "_%_": "MODULO",
  "_==_": "EQUAL",
  "_!=_": "NOT_EQUAL",
  "_<_": "LESS",
  "_<=_": "LESS_OR_EQUAL",
  "_>_": "GREATER",
  "_>=_": "GREATER_OR_EQUAL",
  "_?_:_": "CONDITIONAL",
  "_[_]": "INDEX",
  "@in": "IN",
  size: "SIZE",
  contains: "CONTAINS",
  startsWith: "STARTS_WITH",
  endsWith: "ENDS_WITH",
  matches: "MATCHES",
  int: "TO_INT",
  uint: "TO_UINT",
  double: "TO_DOUBLE",
  bool: "TO_BOOL",
  string: "TO_STRING",
  bytes: "TO_BYTES",
  timestamp: "TO_TIMESTAMP",
  duration: "TO_DURATION",
  type: "TYPE_OF",
  getFullYear: "GET_FULL_YEAR",
  getMonth: "GET_MONTH",
  getDate: "GET_DATE",
  getDayOfMonth: "GET_DAY_OF_MONTH",
  getDayOfWeek: "GET_DAY_OF_WEEK",
  getDayOfYear: "GET_DAY_OF_YEAR",
  getHours: "GET_HOURS",
  getMinutes: "GET_MINUTES",
  getSeconds: "GET_SECONDS",
  getMilliseconds: "GET_MILLISECONDS",
};

/** The variables of the enclosing macros, and their number. A variable may hide another one of the same name. */
interface Scope {
  readonly slots: ReadonlyMap<string, number>;
  readonly depth: number;
}

/** Converts the tree to terms. Its names, functions and types have been checked. Throws a CelError. */
export function termsOf(root: CelNode, roots: Roots, placeOf: PlaceOf): Term {
  const { variables, object } = roots;

  const term = (node: CelNode, scope: Scope, depth: number): Term => {
    if (depth > PROGRAM_MAX_DEPTH) {
      const expected = `at most ${PROGRAM_MAX_DEPTH} nested operations`;
      throw new CelError("it is nested too deeply", expected, placeOf(node.id));
    }
    const { id } = node;
    const { case: kind, value } = node.exprKind;
    const part = (each: CelNode): Term => term(each, scope, depth + 1);
    switch (kind) {
      case "constExpr":
        return constantTerm(constantOf(node, placeOf), id);
      case "identExpr":
        return named(node, (value as { name: string }).name, scope);
      case "selectExpr": {
        const { operand, field, testOnly } = value as Select;
        if (isObject(operand, scope)) return variable(node, field, testOnly);
        return termOf(testOnly ? "HAS" : "SELECT", [part(operand)], id, { name: field });
      }
      case "listExpr":
        return termOf("LIST", (value as { elements: CelNode[] }).elements.map(part), id);
      case "structExpr": {
        const { entries } = value as Struct;
        const parts = entries.flatMap(({ keyKind, value: each }) => [part(keyKind.value as CelNode), part(each)]);
        return termOf("MAP", parts, id);
      }
      case "callExpr":
        return called(node, value as Call, scope, depth);
      case "comprehensionExpr":
        return comprehended(node, value as Macro, scope, depth);
      default:
        throw new CelError("it is not supported", "an expression of CEL", placeOf(id));
    }
  };

  const isObject = (node: CelNode, scope: Scope): boolean => {
    const { case: kind, value } = node.exprKind;
    return kind === "identExpr" && (value as { name: string }).name === object?.name && !scope.slots.has(object.name);
  };

  const variable = (node: CelNode, field: string, asks: boolean): Term => {
    if (object?.fields.includes(field)) {
      return termOf(asks ? "HAS_VARIABLE" : "VARIABLE", [], node.id, { name: field });
    }
    throw new CelError(`there is no field ${field}`, `one of ${object?.fields.join(", ")}`, placeOf(node.id));
  };

  const fieldOf = (node: CelNode | undefined): string => {
    const field = constantText(node);
    if (field !== undefined) return field;
    throw new CelError(
      "the name of the field is not constant",
      `one of ${object?.fields.join(", ")}`,
      placeOf(node?.id),
    );
  };

  const named = (node: CelNode, name: string, scope: Scope): Term => {
    const slot = scope.slots.get(name);
    if (slot !== undefined) return termOf("LOCAL", [], node.id, { index: slot });
    if (variables.includes(name)) return termOf("VARIABLE", [], node.id, { name });
    if (name !== object?.name) return constantTerm(new TypeValue(name), node.id);
    const expected = `one of its fields: ${object.fields.join(", ")}`;
    throw new CelError(`${name} cannot be used as a value`, expected, placeOf(node.id));
  };

  const called = (node: CelNode, call: Call, scope: Scope, depth: number): Term => {
    const { function: name, args, target } = call;
    const part = (each: CelNode): Term => term(each, scope, depth + 1);
    if (name === "_&&_" || name === "_||_") {
      return termOf(name === "_&&_" ? "AND" : "OR", flat(node, name).map(part), node.id);
    }
    const [first, second] = args;
    // An index with a constant name is the same as the field of that name.
    if (name === "_[_]" && first && isObject(first, scope)) return variable(node, fieldOf(second), false);
    if (name === "@in" && second && isObject(second, scope)) return variable(node, fieldOf(first), true);
    if (name === "dyn" && first) return part(first);
    const op = Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined;
    if (op === undefined) throw new CelError(`${name} is not supported`, "a function of CEL", placeOf(node.id));
    return termOf(op, [...(target === undefined ? [] : [target]), ...args].map(part), node.id);
  };

  const comprehended = (node: CelNode, macro: Macro, scope: Scope, depth: number): Term => {
    const slot = scope.depth;
    const range = term(macro.iterRange, scope, depth + 1);
    const inner: Scope = { slots: new Map([...scope.slots, [macro.iterVar, slot]]), depth: slot + 1 };
    const part = (each: CelNode): Term => term(each, inner, depth + 1);
    const over = (op: Op, ...bodies: readonly CelNode[]): Term =>
      termOf(op, [range, ...bodies.map(part)], node.id, { index: slot });
    const step = macro.loopStep.exprKind.value as Call;
    const [accumulated, body] = step.args;
    if (macro.accuVar === "@result" && macro.iterVar2 === "" && accumulated && body) {
      if (step.function === "_&&_") return over("ALL", body);
      if (step.function === "_||_") return over("EXISTS", body);
      if (step.function === "_+_") return over("TRANSFORM", elementOf(body));
      if (step.function === "_?_:_" && macro.accuInit.exprKind.case === "constExpr")
        return over("EXISTS_ONE", accumulated);
      if (step.function === "_?_:_") {
        const element = elementOf((body.exprKind.value as Call).args[1] as CelNode);
        const { case: kind, value } = element.exprKind;
        const isItself = kind === "identExpr" && (value as { name: string }).name === macro.iterVar;
        return isItself ? over("FILTER", accumulated) : over("TRANSFORM", accumulated, element);
      }
    }
    throw new CelError("the macro is not supported", "all, exists, exists_one, map or filter", placeOf(node.id));
  };

  return term(root, { slots: new Map(), depth: 0 }, 1);
}

export function termOf(
  op: Op,
  args: readonly Term[],
  id: unknown,
  rest: Partial<Pick<Term, "index" | "name">> = {},
): Term {
  return { op, args, index: 0, name: "", id, ...rest };
}

export function constantTerm(constant: Value, id: unknown): Term {
  return { ...termOf("CONSTANT", [], id), constant };
}

/** Returns the operands of `a && b && c`, however they are grouped. */
function flat(node: CelNode, name: string): CelNode[] {
  const found: CelNode[] = [];
  const left = [node];
  for (let each = left.pop(); each !== undefined; each = left.pop()) {
    const { case: kind, value } = each.exprKind;
    if (kind === "callExpr" && (value as Call).function === name) left.push(...[...(value as Call).args].reverse());
    else found.push(each);
  }
  return found;
}

function elementOf(list: CelNode): CelNode {
  return (list.exprKind.value as { elements: CelNode[] }).elements[0] as CelNode;
}

function constantText(node: CelNode | undefined): string | undefined {
  if (node?.exprKind.case !== "constExpr") return undefined;
  const { value } = (node.exprKind.value as Constant).constantKind;
  return typeof value === "string" ? value : undefined;
}

interface Constant {
  readonly constantKind: { readonly case: string; readonly value: unknown };
}

function constantOf(node: CelNode, placeOf: PlaceOf): Value {
  const { case: kind, value } = (node.exprKind.value as Constant).constantKind;
  if (kind === "nullValue") return null;
  // The parser accepts whole numbers of any length.
  if (kind === "uint64Value") {
    if ((value as bigint) <= MAX_UINT) return new Uint(value as bigint);
    throw new CelError("the number is too large for a uint", `at most ${MAX_UINT}`, placeOf(node.id));
  }
  if (kind === "int64Value" && ((value as bigint) < MIN_INT || (value as bigint) > MAX_INT)) {
    throw new CelError("the number is out of the range of an int", `${MIN_INT} to ${MAX_INT}`, placeOf(node.id));
  }
  if (kind === "doubleValue" && !Number.isFinite(value)) {
    throw new CelError("the number is too large for a double", "at most 1.7976931348623157e308", placeOf(node.id));
  }
  return value as Value;
}
