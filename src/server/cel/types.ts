import { formsOf } from "./signatures.ts";
import type { Call, CelNode, Macro, Select, Struct } from "./tree.ts";

/** The type of a node's value. `json` is a JSON value, whose numbers are doubles. `dyn` may be any value. */
export type CelTypeName = string;

/** Thrown if types do not fit. */
export class CelTypeError extends Error {
  readonly expected: string;
  /** The node with the error. */
  readonly id: unknown;
  constructor(message: string, expected: string, id: unknown) {
    super(message);
    this.expected = expected;
    this.id = id;
  }
}

type Fields = Readonly<Record<string, CelTypeName>>;
/** The types of names. The type of an object consists of the types of its fields. */
export type CelNames = Readonly<Record<string, CelTypeName | Fields>>;

const CONSTANTS: Readonly<Record<string, CelTypeName>> = {
  boolValue: "bool",
  bytesValue: "bytes",
  doubleValue: "double",
  int64Value: "int",
  nullValue: "null_type",
  stringValue: "string",
  uint64Value: "uint",
};
const NUMBERS = ["int", "uint", "double"];
const JSON_TYPES = ["bool", "double", "string", "list", "map", "null_type"];

/** Returns the type of an expression, as far as it is known before evaluation. Throws a CelTypeError. */
export function typeOf(node: CelNode, names: CelNames): CelTypeName {
  const typed = typeOrFields(node, names);
  return typeof typed === "string" ? typed : "map";
}

function typeOrFields(node: CelNode, names: CelNames): CelTypeName | Fields {
  const { case: kind, value } = node.exprKind;
  switch (kind) {
    case "constExpr":
      return CONSTANTS[(value as { constantKind: { case: string } }).constantKind.case] ?? "dyn";
    case "identExpr":
      // A name that is not a variable is a type, such as `string`.
      return own(names, (value as { name: string }).name) ?? "type";
    case "selectExpr":
      return selected(node, value as Select, names);
    case "listExpr":
      for (const element of (value as { elements: CelNode[] }).elements) typeOf(element, names);
      return "list";
    case "structExpr":
      return made(node, value as Struct, names);
    case "callExpr":
      return called(node, value as Call, names);
    case "comprehensionExpr":
      return comprehended(value as Macro, names);
    default:
      return "dyn";
  }
}

function selected(node: CelNode, { operand, field, testOnly }: Select, names: CelNames) {
  const of = typeOrFields(operand, names);
  if (typeof of === "object") {
    const type = own(of, field);
    if (type !== undefined) return testOnly ? "bool" : type;
    throw new CelTypeError(`there is no field ${field}`, `one of ${Object.keys(of).join(", ")}`, node.id);
  }
  if (of !== "map" && of !== "json" && of !== "dyn") {
    throw new CelTypeError(`${name(of)} has no field ${field}`, "a field of an object", node.id);
  }
  if (testOnly) return "bool";
  return of === "dyn" ? "dyn" : "json";
}

function made(node: CelNode, { messageName, entries }: Struct, names: CelNames): CelTypeName {
  if (messageName !== "")
    throw new CelTypeError(`a message of type ${messageName} cannot be created`, "a JSON value", node.id);
  for (const { keyKind, value } of entries) {
    typeOf(keyKind.value as CelNode, names);
    typeOf(value, names);
  }
  return "map";
}

function called(node: CelNode, call: Call, names: CelNames): CelTypeName {
  const listed = call.function === "@in" ? elementsOf(call.args[1]) : undefined;
  // The elements of a list literal are typed below, once. Typing them twice at each level would take exponential time.
  const args = call.args.map((arg, index) => (index === 1 && listed ? "list" : typeOf(arg, names)));
  const [a = "dyn", b = "dyn", c = "dyn"] = args;
  const needBool = (type: CelTypeName, index: number): void => {
    if (fits(type, "bool")) return;
    throw new CelTypeError(`${name(type)} is neither true nor false`, "a bool", call.args[index]?.id);
  };
  switch (call.function) {
    case "_&&_":
    case "_||_":
      needBool(a, 0);
      needBool(b, 1);
      return "bool";
    case "@not_strictly_false":
      return "bool";
    case "_?_:_":
      needBool(a, 0);
      return b === c ? b : "dyn";
    case "_[_]":
      if (["list", "map", "json", "dyn"].includes(a)) return a === "map" || a === "json" ? "json" : "dyn";
      throw new CelTypeError(`${name(a)} has no members`, "a list or an object", node.id);
    case "_==_":
    case "_!=_":
      needComparable(node, a, b);
      return "bool";
    case "@in":
      for (const element of listed ?? []) needComparable(element, a, typeOf(element, names));
  }
  return overloaded(node, call, call.target && typeOf(call.target, names), args);
}

/** The elements of a list literal. Undefined for other expressions. */
function elementsOf(node: CelNode | undefined): readonly CelNode[] | undefined {
  return node?.exprKind.case === "listExpr" ? (node.exprKind.value as { elements: CelNode[] }).elements : undefined;
}

function needComparable(node: CelNode, a: CelTypeName, b: CelTypeName): void {
  const isKnown = ![a, b].some((type) => type === "dyn" || type === "null_type");
  if (!isKnown || fits(a, b) || fits(b, a) || (isNumber(a) && isNumber(b))) return;
  throw new CelTypeError(`${name(a)} never equals ${name(b)}`, "values of one type", node.id);
}

function isNumber(type: CelTypeName): boolean {
  return type === "json" || NUMBERS.includes(type);
}

function overloaded(
  node: CelNode,
  { function: called }: Call,
  target: CelTypeName | undefined,
  args: readonly CelTypeName[],
): CelTypeName {
  const forms = formsOf(called);
  if (forms === undefined) throw new CelTypeError(`there is no function ${called}`, "a function of CEL", node.id);
  const fitting = forms.filter(
    (form) =>
      (target === undefined) === (form.target === undefined) &&
      (target === undefined || fits(target, form.target ?? "dyn")) &&
      args.length === form.args.length &&
      args.every((arg, index) => fits(arg, form.args[index] ?? "dyn")),
  );
  const [first] = fitting;
  if (first !== undefined) return fitting.every(({ result }) => result === first.result) ? first.result : "dyn";
  const expected = new Set(forms.map((form) => `${form.target ? `${form.target}.` : ""}(${form.args})`));
  const given = `${target === undefined ? "" : `${name(target)}.`}(${args.map(name)})`;
  const hint = [target, ...args].includes("json") ? "; a number of JSON is a double, such as 1.0" : "";
  const shown = [...expected].slice(0, 6).join(", ");
  throw new CelTypeError(`${symbol(called)} does not take ${given}`, `${shown}${hint}`, node.id);
}

function fits(type: CelTypeName, wanted: CelTypeName): boolean {
  if (type === wanted || type === "dyn" || wanted === "dyn") return true;
  return type === "json" && JSON_TYPES.includes(wanted);
}

function comprehended(macro: Macro, names: CelNames): CelTypeName {
  const range = typeOf(macro.iterRange, names);
  if (!["list", "map", "json", "dyn"].includes(range)) {
    throw new CelTypeError(`${name(range)} has no members`, "a list or an object", macro.iterRange.id);
  }
  // The types of a list literal's elements are not tracked.
  const member = range === "map" ? "string" : range === "json" ? "json" : "dyn";
  const inner = {
    ...names,
    [macro.iterVar]: member,
    ...(macro.iterVar2 === "" ? {} : { [macro.iterVar2]: "dyn" }),
    [macro.accuVar]: typeOf(macro.accuInit, names),
  };
  typeOf(macro.loopCondition, inner);
  typeOf(macro.loopStep, inner);
  return typeOf(macro.result, inner);
}

function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function name(type: CelTypeName): string {
  return own({ json: "JSON", dyn: "anything", null_type: "null" }, type) ?? type;
}

/** Returns an operator as it is written: `<` for `_<_`. */
function symbol(called: string): string {
  return called.replaceAll(/[_@]/g, "") || called;
}
