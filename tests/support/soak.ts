import type { TestOptions } from "vitest";

/** Options of a test that only `npm run test:soak` runs. */
export const SOAK: TestOptions = { tags: ["soak"] };

/** Options of a test that only `npm run test:soak` runs, unless this row of a table represents the others in `npm test`. */
export function soakUnless(represents: boolean): TestOptions {
  return represents ? {} : SOAK;
}
