import { invalid } from "../errors/invalid.ts";

/**
 * Length of the name of a flag, a breaker or a suite; a longer one is refused with `ARGUMENT_INVALID`.
 * @limit characters
 */
export const NAME_LIMIT = 128;

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]*$/;

/** Whether the value is a valid name of a flag, a breaker or a suite. */
export function isName(name: unknown): name is string {
  return typeof name === "string" && name.length <= NAME_LIMIT && NAME.test(name);
}

/** Throws ARGUMENT_INVALID for that field if the value is not a valid name. */
export function checkName(field: string, name: unknown): void {
  if (isName(name)) return;
  const problem = `must have 1 to ${NAME_LIMIT} letters, digits and _ . : - and begin with a letter or digit`;
  throw invalid(field, problem);
}

/** Whether the name of a suite is the path of a file: it contains a slash, or ends like a module's file. */
export function isSuiteFile(name: string): boolean {
  return name.includes("/") || /\.[cm]?[jt]s$/.test(name);
}
