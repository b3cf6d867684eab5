import { HeliosError } from "../errors/error.ts";

/**
 * Length of the name of a flag, a breaker or a suite; a longer one is refused with `ARGUMENT_INVALID`.
 * @limit characters
 */
export const NAME_LIMIT = 128;

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:-]*$/;

/** Whether it can name a flag, a breaker or a suite. */
export function isName(name: unknown): name is string {
  return typeof name === "string" && name.length <= NAME_LIMIT && NAME.test(name);
}

/** ARGUMENT_INVALID, of that field, where it can name none. */
export function checkName(field: string, name: unknown): void {
  if (isName(name)) return;
  const problem = `must be letters, digits and _ . : -, at most ${NAME_LIMIT}, a letter or digit first`;
  throw HeliosError.of("ARGUMENT_INVALID", { field, problem });
}

/** Whether it names a suite by its file: by a path, or by a name that ends as the files of modules do. */
export function isSuiteFile(name: string): boolean {
  return name.includes("/") || /\.[cm]?[jt]s$/.test(name);
}
