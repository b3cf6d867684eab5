import { describe, it, type TestOptions } from "vitest";
import type { Isolation } from "../../src/core/modules/host/types/host.ts";

/** Only `npm run test:soak` runs the tests in a THREAD. */
const OPTIONS = { PROCESS: {}, THREAD: { tags: ["soak"] } };
const ISOLATIONS: readonly Isolation[] = ["PROCESS", "THREAD"];

/** Describes something for a module in a process, and for one in a thread. `%s` in the name is which. */
export function describeInEach(name: string, body: (isolation: Isolation) => void): void {
  for (const isolation of ISOLATIONS) {
    describe(name.replace("%s", isolation), OPTIONS[isolation], () => body(isolation));
  }
}

type Body = (isolation: Isolation) => Promise<void>;

/** Tests something for a module in a process, and for one in a thread. `%s` in the name is which. */
export function itInEach(name: string, ...[given, last]: [Body] | [TestOptions, Body]): void {
  const [options, body] = last === undefined ? [{}, given as Body] : [given as TestOptions, last];
  for (const isolation of ISOLATIONS) {
    it(name.replace("%s", isolation), { ...options, ...OPTIONS[isolation] }, () => body(isolation));
  }
}
