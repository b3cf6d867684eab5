/** The types of a function's arguments and result. */
export interface Form {
  readonly target?: string;
  readonly args: readonly string[];
  readonly result: string;
}

const NUMBERS = ["int", "uint", "double"];

/** Parses a signature such as `string.(string) bool` or `(int, int) int`. */
function form(text: string): Form {
  const [, target, args = "", result = ""] = /^(?:([\w.]+)\.)?\((.*)\) ([\w.]+)$/.exec(text) ?? [];
  const split = args === "" ? [] : args.split(", ");
  return { ...(target === undefined ? {} : { target }), args: split, result };
}

const forms = (...texts: readonly string[]): readonly Form[] => texts.map(form);
const same = (result: string | undefined, ...types: readonly string[]): readonly Form[] =>
  forms(...types.map((type) => `(${type}, ${type}) ${result ?? type}`));
const T = "google.protobuf.Timestamp";
const D = "google.protobuf.Duration";

const comparison: readonly Form[] = [
  ...same("bool", "bool", "bytes", "double", "string", "int", "uint", D, T),
  ...forms(...NUMBERS.flatMap((a) => NUMBERS.filter((b) => a !== b).map((b) => `(${a}, ${b}) bool`))),
];
const size = ["bytes", "list", "string", "map"];
const getter = forms(`${T}.() int`, `${T}.(string) int`);
const shared = [...getter, ...forms(`${D}.() int`)];
const text = forms("string.(string) bool");
const from = (result: string, ...types: readonly string[]): readonly Form[] =>
  forms(...types.map((type) => `(${type}) ${result}`));

/** The functions and operators of CEL's portable core, by the names that the parser uses. */
const FUNCTIONS: Readonly<Record<string, readonly Form[]>> = {
  "!_": forms("(bool) bool"),
  "-_": forms("(int) int", "(double) double"),
  "_+_": [
    ...same(undefined, "int", "uint", "double", "string", "bytes", "list", D),
    ...forms(`(${T}, ${D}) ${T}`, `(${D}, ${T}) ${T}`),
  ],
  "_-_": [...same(undefined, "int", "uint", "double", D), ...forms(`(${T}, ${D}) ${T}`, `(${T}, ${T}) ${D}`)],
  "_*_": same(undefined, "int", "uint", "double"),
  "_/_": same(undefined, "int", "uint", "double"),
  "_%_": same(undefined, "int", "uint"),
  "_<_": comparison,
  "_<=_": comparison,
  "_>_": comparison,
  "_>=_": comparison,
  "_==_": forms("(dyn, dyn) bool"),
  "_!=_": forms("(dyn, dyn) bool"),
  "_&&_": forms("(bool, bool) bool"),
  "_||_": forms("(bool, bool) bool"),
  "_?_:_": forms("(bool, dyn, dyn) dyn"),
  "_[_]": forms("(list, int) dyn", "(map, dyn) dyn"),
  "@in": forms("(dyn, list) bool", ...["string", "double", "int", "bool", "uint"].map((key) => `(${key}, map) bool`)),
  "@not_strictly_false": forms("(bool) bool"),
  size: forms(...size.map((type) => `(${type}) int`), ...size.map((type) => `${type}.() int`)),
  contains: text,
  startsWith: text,
  endsWith: text,
  matches: text,
  int: from("int", "int", "uint", "double", "string", T, D),
  uint: from("uint", "uint", "int", "double", "string"),
  double: from("double", "double", "int", "uint", "string"),
  bool: from("bool", "bool", "string"),
  bytes: from("bytes", "bytes", "string"),
  string: from("string", "string", "bool", "int", "uint", "double", "bytes", T, D),
  timestamp: from(T, T, "string", "int"),
  duration: from(D, D, "string", "int"),
  type: forms("(dyn) type"),
  dyn: forms("(dyn) dyn"),
  getFullYear: getter,
  getMonth: getter,
  getDate: getter,
  getDayOfMonth: getter,
  getDayOfWeek: getter,
  getDayOfYear: getter,
  getHours: shared,
  getMinutes: shared,
  getSeconds: shared,
  getMilliseconds: shared,
};

export function formsOf(name: string): readonly Form[] | undefined {
  return Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
}
