import { errorInfo } from "../../clients/typescript/src/index.ts";

/** Counts failures by operation and cause. */
export interface Errors {
  /** `expected` lists reasons or codes that are part of the test. */
  count(what: string, error: unknown, expected?: readonly string[]): void;
  readonly unexpected: ReadonlyMap<string, number>;
  readonly expected: ReadonlyMap<string, number>;
  /** Number of unexpected failures. */
  readonly total: number;
}

export function createErrors(): Errors {
  const unexpected = new Map<string, number>();
  const foreseen = new Map<string, number>();
  let total = 0;
  return {
    unexpected,
    expected: foreseen,
    get total() {
      return total;
    },
    count(what, error, expected = []) {
      const reason = errorInfo(error)?.reason ?? String(error).slice(0, 200);
      const isExpected = expected.some((one) => reason.includes(one));
      const [map, key] = [isExpected ? foreseen : unexpected, `${what}: ${reason}`];
      map.set(key, (map.get(key) ?? 0) + 1);
      if (!isExpected) total += 1;
    },
  };
}
