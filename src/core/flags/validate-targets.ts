import type { JsonPath } from "../json-source.ts";
import { isName, NAME_LIMIT } from "../names.ts";
import { show, type Violation, violation } from "../violation.ts";

const VARIANT_LIMIT = 100;
const WEIGHT_LIMIT = 100_000;
const VALUE_LIMIT = 16_384;
/** Of all values of a flag. */
const VALUES_LIMIT = 262_144;
const PREREQUISITE_LIMIT = 32;

/** The first rule that variants break. */
export function variantsViolation(variants: unknown): Violation | undefined {
  if (variants === undefined) return undefined;
  if (!Array.isArray(variants)) return violation(["variants"], variants, "a list of variants");
  if (variants.length > VARIANT_LIMIT) {
    return { path: ["variants"], problem: `${variants.length} variants`, expected: `at most ${VARIANT_LIMIT}` };
  }
  const names = new Set<unknown>();
  let weights = 0;
  let length = 0;
  for (const [index, variant] of variants.entries()) {
    const path = ["variants", index];
    if (typeof variant !== "object" || variant === null || Array.isArray(variant)) {
      return violation(path, variant, "an object with name, weight and value");
    }
    const { name, weight, value } = variant;
    const broken = variantNameViolation([...path, "name"], name, names) ?? weightViolation([...path, "weight"], weight);
    if (broken !== undefined) return broken;
    const text = jsonText(value);
    if (text === undefined || text.length > VALUE_LIMIT) {
      const expected = `a JSON value of at most ${VALUE_LIMIT} characters and ${DEEPEST} levels`;
      return { path: [...path, "value"], problem: text === undefined ? "no JSON" : "too long", expected };
    }
    if (kindOf(value) !== kindOf(variants[0].value)) {
      const problem = `is ${kindOf(value)}, and that of ${show(variants[0].name)} ${kindOf(variants[0].value)}`;
      return { path: [...path, "value"], problem, expected: "values of one kind" };
    }
    names.add(name);
    weights += weight;
    length += text.length;
  }
  if (length > VALUES_LIMIT) {
    return { path: ["variants"], problem: "the values are too long", expected: `${VALUES_LIMIT} characters in all` };
  }
  if (weights > 0) return undefined;
  return { path: ["variants"], problem: "the weights are all 0", expected: "a weight above 0" };
}

function variantNameViolation(path: JsonPath, name: unknown, taken: ReadonlySet<unknown>): Violation | undefined {
  if (!isName(name) || name === "off") {
    return violation(path, name, `1 to ${NAME_LIMIT} letters, digits and _ . : -, a letter or digit first; not "off"`);
  }
  return taken.has(name) ? { path, problem: `${show(name)} comes twice`, expected: "each name once" } : undefined;
}

function weightViolation(path: JsonPath, weight: unknown): Violation | undefined {
  const isValid = Number.isInteger(weight) && Number(weight) >= 0 && Number(weight) <= WEIGHT_LIMIT;
  return isValid ? undefined : violation(path, weight, `a whole number from 0 to ${WEIGHT_LIMIT}`);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** The value as JSON; undefined where it is none, or not the same when it is read again. */
function jsonText(value: unknown): string | undefined {
  return isJson(value, 0) ? JSON.stringify(value) : undefined;
}

const DEEPEST = 32;

function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === "boolean" || typeof value === "string") return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || depth >= DEEPEST) return false;
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return false;
  return Object.values(value).every((part) => isJson(part, depth + 1));
}

/** The first rule that prerequisites break by themselves. */
export function prerequisitesViolation(names: unknown): Violation | undefined {
  if (names === undefined) return undefined;
  if (!Array.isArray(names)) return violation(["prerequisites"], names, "a list of names of flags");
  if (names.length > PREREQUISITE_LIMIT) {
    return { path: ["prerequisites"], problem: `${names.length} names`, expected: `at most ${PREREQUISITE_LIMIT}` };
  }
  for (const [index, name] of names.entries()) {
    const path = ["prerequisites", index];
    if (!isName(name)) return violation(path, name, "the name of a flag");
    if (names.indexOf(name) < index) return { path, problem: `${show(name)} comes twice`, expected: "each name once" };
  }
  return undefined;
}
