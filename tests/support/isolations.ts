import { afterEach, beforeEach, describe, it, type TestOptions } from "vitest";
import type { Isolation } from "../../src/core/modules/host/types/host.ts";
import { SOAK } from "./soak.ts";

const OPTIONS = { PROCESS: {}, THREAD: SOAK };
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

let usual: Isolation = "PROCESS";

/** The isolation of modules for which a test requests none. */
export function usualIsolation(): Isolation {
  return usual;
}

/**
 * Describes what is the same in every isolation. `npm test` runs it with modules in threads, which start in half of the CPU time
 * of processes, and `npm run test:soak` with modules in processes as well.
 */
export function describeInEither(name: string, body: () => void): void {
  const within = (isolation: Isolation) => (): void => {
    beforeEach(() => {
      usual = isolation;
    });
    afterEach(() => {
      usual = "PROCESS";
    });
    body();
  };
  describe(name, within("THREAD"));
  describe(`${name} (in processes)`, SOAK, within("PROCESS"));
}
