/** Levels of causes that are searched. */
const DEPTH = 10;

/** The errors with which the service refused calls because the module may not act. */
export interface Refusals {
  add(error: Error): void;
  /**
   * Whether a thrown value was caused by such an error: it is the error itself, or its `cause` or all of its `errors` are.
   * Such a value is not a fault: a version that does not serve any more may well be refused.
   */
  explain(thrown: unknown): boolean;
}

export function createRefusals(): Refusals {
  const known = new WeakSet<object>();
  const explains = (thrown: unknown, depth: number): boolean => {
    if (typeof thrown !== "object" || thrown === null || depth === 0) return false;
    if (known.has(thrown)) return true;
    const { cause, errors } = thrown as { readonly cause?: unknown; readonly errors?: unknown };
    if (explains(cause, depth - 1)) return true;
    return Array.isArray(errors) && errors.length > 0 && errors.every((error) => explains(error, depth - 1));
  };
  return {
    add: (error) => void known.add(error),
    explain(thrown) {
      try {
        return explains(thrown, DEPTH);
      } catch {
        // Reading the value threw.
        return false;
      }
    },
  };
}
