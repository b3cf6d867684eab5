import type { Variant } from "../../../kernel/flags/rule.ts";
import { show, type Violation, violation } from "../../errors/violation.ts";
import type { JsonPath } from "../../json/path.ts";
import { isPlainObject, jsonViolation } from "../../json/value.ts";
import { isName, NAME_LIMIT } from "../../text/names.ts";
import type { FlagMetadata } from "../record.ts";

/** Variants of a flag; more are refused with `ARGUMENT_INVALID`. @limit variants */
const VARIANT_LIMIT = 100;
/** Largest weight of a variant; a larger one is refused with `ARGUMENT_INVALID`. @limit - */
const WEIGHT_LIMIT = 100_000;
/** Length of a variant's value, as JSON; a longer one is refused with `ARGUMENT_INVALID`. @limit characters */
const VALUE_LIMIT = 16_384;
/**
 * Length of the values of all variants of a flag together, as JSON; more is refused with `ARGUMENT_INVALID`.
 * @limit characters
 */
const VALUES_LIMIT = 262_144;
/** Prerequisites of a flag; more are refused with `ARGUMENT_INVALID`. @limit prerequisites */
const PREREQUISITE_LIMIT = 32;

/** Everything that is wrong with variants. Values of `known` are accepted: they may be older than the rule they break. */
export function variantsViolations(variants: unknown, known: readonly Variant[] = []): readonly Violation[] {
  if (variants === undefined) return [];
  if (!Array.isArray(variants)) return [violation(["variants"], variants, "a list of variants")];
  if (variants.length > VARIANT_LIMIT) {
    return [{ path: ["variants"], problem: `${variants.length} variants`, expected: `at most ${VARIANT_LIMIT}` }];
  }
  const found: Violation[] = [];
  const names = new Set<unknown>();
  const values = new Set(known.map(({ value }) => JSON.stringify(value)));
  let weights = 0;
  let length = 0;
  for (const [index, variant] of variants.entries()) {
    const path = ["variants", index];
    if (typeof variant !== "object" || variant === null || Array.isArray(variant)) {
      found.push(violation(path, variant, "an object with name, weight and value"));
      continue;
    }
    const { name, weight, value } = variant;
    const text = textOf(value);
    const wrong = [
      variantNameViolation([...path, "name"], name, names),
      weightViolation([...path, "weight"], weight),
      valueViolation([...path, "value"], value, text, variants[0], values),
    ];
    found.push(...wrong.filter((each) => each !== undefined));
    names.add(name);
    weights += Number(weight);
    length += text?.length ?? 0;
  }
  if (length > VALUES_LIMIT) {
    found.push({
      path: ["variants"],
      problem: "the values are too long together",
      expected: `at most ${VALUES_LIMIT} characters in all`,
    });
  }
  if (found.length > 0 || weights > 0) return found;
  return [{ path: ["variants"], problem: "the weights are all 0", expected: "a weight above 0" }];
}

function valueViolation(
  path: JsonPath,
  value: unknown,
  text: string | undefined,
  first: unknown,
  known: ReadonlySet<string>,
): Violation | undefined {
  const wrong = text !== undefined && known.has(text) ? undefined : jsonViolation(path, value, DEEPEST);
  if (wrong !== undefined) return wrong;
  if (text === undefined || text.length > VALUE_LIMIT) {
    return { path, problem: "too long", expected: `a JSON value of at most ${VALUE_LIMIT} characters` };
  }
  const { name, value: other } = (first ?? {}) as { readonly name?: unknown; readonly value?: unknown };
  if (typeof first !== "object" || kindOf(value) === kindOf(other)) return undefined;
  const problem = `is ${kindOf(value)}, and the value of ${show(name)} is ${kindOf(other)}`;
  return { path, problem, expected: "values of one type" };
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

/** The value as JSON; undefined if it cannot be. */
function textOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

/**
 * Nesting of a variant's value and of a flag's metadata; deeper ones are refused with `ARGUMENT_INVALID`. @limit levels
 */
const DEEPEST = 32;

/** Length of a flag's metadata, as JSON; longer ones are refused with `ARGUMENT_INVALID`. @limit characters */
const METADATA_LIMIT = 16_384;

/** Returns what is wrong with metadata. Members of `known` are accepted: they may be older than the rule they break. */
export function metadataViolation(metadata: unknown, known: FlagMetadata = {}): Violation | undefined {
  const path = ["metadata"];
  if (!isPlainObject(metadata)) return violation(path, metadata, "a JSON object");
  const isKnown = (name: string): boolean =>
    Object.hasOwn(known, name) && textOf(known[name]) === textOf(metadata[name]);
  const given = Object.entries(metadata).filter(([name]) => !isKnown(name));
  const wrong = jsonViolation(path, Object.fromEntries(given), DEEPEST);
  const length = textOf(metadata)?.length ?? 0;
  if (wrong !== undefined || length <= METADATA_LIMIT) return wrong;
  return { path, problem: `${length} characters`, expected: `at most ${METADATA_LIMIT} as JSON` };
}

/** Everything that is wrong with a list of prerequisites, without regard to other flags. */
export function prerequisitesViolations(names: unknown): readonly Violation[] {
  if (names === undefined) return [];
  if (!Array.isArray(names)) return [violation(["prerequisites"], names, "a list of names of flags")];
  if (names.length > PREREQUISITE_LIMIT) {
    return [{ path: ["prerequisites"], problem: `${names.length} names`, expected: `at most ${PREREQUISITE_LIMIT}` }];
  }
  const found = names.map((name, index) => {
    const path = ["prerequisites", index];
    if (!isName(name)) return violation(path, name, "the name of a flag");
    if (names.indexOf(name) === index) return undefined;
    return { path, problem: `${show(name)} comes twice`, expected: "each name once" };
  });
  return found.filter((each) => each !== undefined);
}
