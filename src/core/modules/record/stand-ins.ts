import { type Violation, violation } from "../../errors/violation.ts";
import type { JsonPath } from "../../json/path.ts";
import { isPlainObject, jsonViolation } from "../../json/value.ts";
import { LIST_LIMIT, list, methodViolation, nameViolation, pathViolation, tooMany } from "./validate-parts.ts";

/**
 * A stub for a dependency. It has JSON answers by the names of methods, in either spelling, or is the path of a module, of
 * which an instance is started for the run.
 */
export type Stub = string | Readonly<Record<string, unknown>>;

/** Stubs for the dependencies of a tested module, and the dependencies that it may really call. */
export interface StandIns {
  /** The stubs by the names of the dependencies. */
  readonly stubs?: Readonly<Record<string, Stub>> | undefined;
  /** Dependencies that may be called for real, except for their stubbed methods. */
  readonly allowDependencies?: readonly string[] | undefined;
}

/** Modules as stand-ins, each with an instance of its own for the run; more are refused. @limit modules */
const MAX_STAND_IN_MODULES = 16;

/** Returns the first rule that stand-ins violate. `fields` has the names of the two parts in the request. */
export function standInsViolation(
  { stubs, allowDependencies }: StandIns,
  fields: { readonly stubs: JsonPath; readonly allow: JsonPath },
): Violation | undefined {
  return (
    (stubs === undefined ? undefined : stubsViolation(fields.stubs, stubs)) ??
    (allowDependencies === undefined
      ? undefined
      : list(fields.allow, allowDependencies, nameViolation, "a list of dependencies"))
  );
}

function stubsViolation(path: JsonPath, stubs: unknown): Violation | undefined {
  if (!isPlainObject(stubs)) return violation(path, stubs, "an object of stubs by dependency");
  const entries = Object.entries(stubs);
  if (entries.length > LIST_LIMIT) return tooMany(path, entries.length);
  const modules = entries.filter(([, stub]) => typeof stub === "string").length;
  if (modules > MAX_STAND_IN_MODULES) {
    return { path, problem: `${modules} modules`, expected: `at most ${MAX_STAND_IN_MODULES}` };
  }
  for (const [dependency, stub] of entries) {
    const found = nameViolation([...path, dependency], dependency) ?? stubViolation([...path, dependency], stub);
    if (found !== undefined) return found;
  }
  return undefined;
}

function stubViolation(path: JsonPath, stub: unknown): Violation | undefined {
  if (typeof stub === "string") return pathViolation(path, stub);
  if (!isPlainObject(stub)) return violation(path, stub, "an object of answers by method, or the path of a module");
  const entries = Object.entries(stub);
  if (entries.length > LIST_LIMIT) return tooMany(path, entries.length);
  for (const [method, answer] of entries) {
    const found = methodViolation([...path, method], method) ?? jsonViolation([...path, method], answer);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Returns the violation for the first dependency in the stand-ins that the module does not have. */
export function strangerViolation(
  { stubs = {}, allowDependencies = [] }: StandIns,
  dependencies: readonly string[],
  fields: { readonly stubs: JsonPath; readonly allow: JsonPath },
): Violation | undefined {
  const expected = `one of its dependencies: ${dependencies.join(", ") || "it has none"}`;
  const stubbed = Object.keys(stubs).find((name) => !dependencies.includes(name));
  if (stubbed !== undefined) return { path: fields.stubs, problem: `it stubs ${stubbed}`, expected };
  const index = allowDependencies.findIndex((name) => !dependencies.includes(name));
  return index < 0 ? undefined : violation([...fields.allow, index], allowDependencies[index], expected);
}
