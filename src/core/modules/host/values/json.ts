import { isEmpty, shapeOf } from "./shapes.ts";

/** Nesting of a method's answer; the call of a deeper one fails with `MODULE_METHOD_FAILED`. @limit levels */
const MAX_DEPTH = 200;

/** Limits of a conversion. It fails when one of them is used up. */
interface Budget {
  /** Number of values of all kinds. */
  parts: number;
  /** Characters of all texts and names together. */
  characters: number;
}

/**
 * Converts a value to JSON by the rules in docs/modules.md. Throws a TypeError for a value that is refused; its message
 * names the place of the value, starting with `root`. A value that is JSON already is returned as it is; its names are not
 * checked, see `checkNames`.
 */
export function toJson(value: unknown, root: string): unknown {
  return isJson(value) ? value : convert(value, root);
}

/** Converts like `toJson`, and also throws if the budget is used up. Always returns a copy. */
export function toSmallJson(value: unknown, root: string, budget: Budget): unknown {
  return convert(value, root, budget);
}

/** Whether a value is JSON already. Its names are not checked, see `checkNames`. */
export function isJson(value: unknown): boolean {
  try {
    return isPlain(value, 0);
  } catch {
    // An accessor or a proxy threw. The conversion finds the place for the error.
    return false;
  }
}

/** Whether a value is JSON already, as nearly all values are. A cycle exceeds the depth, and so is not plain. */
function isPlain(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "string":
      return value.isWellFormed();
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value);
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth >= MAX_DEPTH || "toJSON" in value) return false;
  if (Array.isArray(value)) {
    for (const item of value) if (!isPlain(item, depth + 1)) return false;
    return value.length > 0 || Object.keys(value).length === 0;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  let isSeenEmpty = true;
  for (const key in value) {
    isSeenEmpty = false;
    const member = (value as Readonly<Record<string, unknown>>)[key];
    // Most members are numbers, and the call takes longer than the check.
    if (!(typeof member === "number" ? Number.isFinite(member) : isPlain(member, depth + 1))) return false;
  }
  return !isSeenEmpty || isEmpty(value);
}

/**
 * Throws a TypeError for a JSON value with a lone surrogate in a name. Checking this in every value would cost too much.
 */
export function checkNames(json: unknown, root: string): void {
  if (hasHalfName(json)) convert(json, root);
}

function hasHalfName(json: unknown): boolean {
  if (typeof json !== "object" || json === null) return false;
  if (Array.isArray(json)) return json.some(hasHalfName);
  return Object.entries(json).some(([name, member]) => !name.isWellFormed() || hasHalfName(member));
}

const HALF_A_CHARACTER = "has half a character (a lone surrogate), which JSON does not have";

function convert(whole: unknown, root: string, budget?: Budget): unknown {
  const place: (string | number)[] = [];
  const above = new Set<object>();

  const refusal = (problem: string): TypeError => new TypeError(`${placeText(root, place)} ${problem}`);
  /** Runs the value's own code, such as an accessor. Its errors become refusals. */
  const asked = <T>(what: string, ask: () => T): T => {
    try {
      return ask();
    } catch (thrown) {
      throw refusal(`${what}: ${messageIn(thrown)}`);
    }
  };
  const spend = (characters: number): void => {
    if (budget === undefined) return;
    budget.parts -= 1;
    budget.characters -= characters;
    if (budget.parts < 0 || budget.characters < 0) throw refusal("is too large");
  };

  const jsonOf = (value: unknown): unknown => {
    switch (typeof value) {
      case "undefined":
        return null;
      case "boolean":
        return value;
      case "string":
        spend(value.length);
        if (value.isWellFormed()) return value;
        throw refusal(HALF_A_CHARACTER);
      case "number":
        spend(0);
        if (Number.isFinite(value)) return value;
        throw refusal(`is ${value}, which JSON does not have`);
      case "bigint": {
        // Many programs add a toJSON to BigInt.prototype.
        const { toJSON } = value as unknown as { readonly toJSON?: unknown };
        if (typeof toJSON === "function") return jsonOf(asked("has a toJSON that fails", () => toJSON.call(value)));
        throw refusal("is a bigint, which JSON does not have; String() converts it to text");
      }
      case "object":
        return value === null ? null : objectOf(value);
      default:
        throw refusal(`is a ${typeof value}, which JSON does not have`);
    }
  };

  const objectOf = (value: object): unknown => {
    if (above.has(value)) throw refusal("contains itself");
    if (above.size >= MAX_DEPTH) throw refusal(`is nested deeper than ${MAX_DEPTH}`);
    above.add(value);
    spend(0);
    const shape = asked("cannot be read", () => shapeOf(value, String(place.at(-1) ?? "")));
    switch (shape.is) {
      case "refused":
        throw refusal(shape.problem);
      case "entries":
        throw refusal("is a Map with keys that cannot be member names; make a list of its entries");
      case "value": {
        const stands = asked("has a toJSON that fails", shape.value);
        if (stands === undefined) throw refusal("has a toJSON that returns undefined");
        const converted = jsonOf(stands);
        above.delete(value);
        return converted;
      }
      case "list": {
        const list = listOf(value, shape.items);
        above.delete(value);
        return list;
      }
      case "members": {
        const members: Record<string, unknown> = {};
        for (const name of shape.names) {
          place.push(name);
          spend(name.length);
          if (!name.isWellFormed()) throw refusal(HALF_A_CHARACTER);
          const member = asked("cannot be read", () => shape.get(name));
          if (member !== undefined) put(members, name, jsonOf(member));
          place.pop();
        }
        above.delete(value);
        return members;
      }
    }
  };

  const listOf = (value: object, items: Iterable<unknown>): unknown[] => {
    const list: unknown[] = [];
    const isArray = Array.isArray(value);
    for (const item of items) {
      place.push(list.length);
      if (item === undefined && isArray && !(list.length in value)) throw refusal("is a missing element of a list");
      list.push(jsonOf(item));
      place.pop();
    }
    return list;
  };

  return jsonOf(whole);
}

function put(members: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== "__proto__") members[name] = value;
  else Object.defineProperty(members, name, { value, enumerable: true, configurable: true, writable: true });
}

/** Length of the place in a value that an error shows; its middle is omitted. @limit characters */
const MAX_PLACE = 400;
/** Length of one name in the place that an error shows; the rest is cut. @limit characters */
const MAX_NAME = 64;

/** Formats a place as code would write it, such as `output.fills[2].price`. */
export function placeText(root: string, place: readonly (string | number)[]): string {
  const steps = place.map((step) => {
    if (typeof step === "number") return `[${step}]`;
    const name = step.length <= MAX_NAME ? step : `${step.slice(0, MAX_NAME)}…`;
    return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
  });
  const text = root + steps.join("");
  return text.length <= MAX_PLACE ? text : `${text.slice(0, MAX_PLACE / 2)} … ${text.slice(-MAX_PLACE / 2)}`;
}

/** Returns the message of a thrown value, cut to 1,000 characters. Never throws. */
export function messageIn(thrown: unknown): string {
  try {
    const { message } = (thrown ?? {}) as { readonly message?: unknown };
    return typeof message === "string" ? message.slice(0, 1000) : String(thrown).slice(0, 1000);
  } catch {
    return "it threw a value that cannot be read";
  }
}
