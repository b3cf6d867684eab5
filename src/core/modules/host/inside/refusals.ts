/** How far causes of an error are followed. */
const DEPTH = 10;

/** Knows the errors by which the service told the module that it may not act. */
export interface Refusals {
  add(error: Error): void;
  /**
   * Whether something was thrown because of one: the error itself, or what was made of it, as told by its `cause`, or by
   * all `errors` of several. Nobody has to answer for it: that a version serves no more is nothing that went wrong.
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
        // It cannot be looked at.
        return false;
      }
    },
  };
}
