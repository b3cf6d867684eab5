import { keepCount, VALUE_MAX_DEPTH } from "../../../kernel/flags/condition/values.ts";
import type { EvaluationContext } from "../../../kernel/flags/evaluation.ts";
import { refuse, type Violation, violation } from "../../errors/violation.ts";
import { numberProblem } from "../../json/numbers.ts";
import { numberViolation } from "../../json/tree.ts";

/**
 * Throws ARGUMENT_INVALID, with the place, for a context with a field that is not a text, or with attributes that are not an
 * object, are nested deeper than 100, or contain a number that is not finite or beyond 2^53 - 1.
 */
export function checkContext(context: EvaluationContext): void {
  const { sessionId, userId, symbol, system, attributes } = context;
  if (!(isTextOrAbsent(sessionId) && isTextOrAbsent(userId) && isTextOrAbsent(symbol) && isTextOrAbsent(system))) {
    const fields = { session_id: sessionId, user_id: userId, symbol, system };
    for (const [field, value] of Object.entries(fields)) {
      if (!isTextOrAbsent(value)) refuse(violation(["context", field], value, "a string"));
    }
  }
  if (attributes !== undefined) refuse(attributesViolation(attributes));
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}

function attributesViolation(attributes: unknown): Violation | undefined {
  const path = ["context", "attributes"];
  if (typeof attributes !== "object" || attributes === null || Array.isArray(attributes)) {
    return violation(path, attributes, "an object");
  }
  // A quick check decides whether there is such a number. Only then a slower search finds its place.
  if (isSound(attributes, 0)) return undefined;
  return isTooDeep(attributes, 0)
    ? { path, problem: `nested deeper than ${VALUE_MAX_DEPTH}`, expected: "fewer levels" }
    : numberViolation(attributes, path);
}

/** Whether the value is not nested too deeply, and its numbers can be JSON. */
function isSound(value: unknown, depth: number): boolean {
  if (typeof value === "number") return numberProblem(value) === undefined;
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return true;
  if (depth > VALUE_MAX_DEPTH) return false;
  if (Array.isArray(value)) {
    for (const each of value) if (!isSound(each, depth + 1)) return false;
    return true;
  }
  let count = 0;
  for (const key of Object.keys(value)) {
    const each = (value as Record<string, unknown>)[key];
    if (each !== undefined) count += 1;
    if (!isSound(each, depth + 1)) return false;
  }
  keepCount(value, count);
  return true;
}

function isTooDeep(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return false;
  return depth > VALUE_MAX_DEPTH || Object.values(value).some((each) => isTooDeep(each, depth + 1));
}
