/** Whether a value fulfils a rule for certain. */
export type Accepts<T = unknown> = (value: T) => boolean;

/** The checks of all rules of a value. Undefined if one of the rules cannot be compiled. */
export type Checks<T = unknown> = readonly Accepts<T>[] | undefined;

/** Checks that are added to the list later apply too. */
export function all<T>(checks: readonly Accepts<T>[]): Accepts<T> {
  return (value) => {
    for (let index = 0; index < checks.length; index++) if (!(checks[index] as Accepts<T>)(value)) return false;
    return true;
  };
}

/** The same for a list that is complete. */
export function combined<T>(checks: readonly Accepts<T>[]): Accepts<T> {
  const [only] = checks;
  return checks.length === 1 && only !== undefined ? only : all(checks);
}

/** Undefined if one of the parts is. */
export function joined(...parts: readonly Checks[]): Checks {
  const known = parts.filter((part) => part !== undefined);
  return known.length === parts.length ? known.flat() : undefined;
}
