import { HeliosError } from "../../errors/error.ts";
import type { Layer } from "../stand-ins/trial.ts";
import type { Test } from "./suite.ts";

/** The tests of a run. Those of a suite that is a file are known only after `open`. */
export interface TestSource {
  readonly tests: readonly Test[];
  /** The stand-ins that the suite defines. */
  readonly standIns?: Layer | undefined;
  /** Starts the suite's file. Absent: all tests are known. Rejects if the suite is wrong. */
  open?(): Promise<OpenSuite>;
}

/** A suite whose tests run in an instance of their own. */
export interface OpenSuite {
  readonly tests: readonly Test[];
  /** Absent: the suite defines no stand-ins. */
  readonly standIns?: Layer;
  /** Kills the instance. */
  close(): void;
}

/**
 * The source for a run on the instance that serves. SUITE_INVALID, at once or when the suite's file is open, if the suite
 * stubs a dependency: the instance would still call the module that serves.
 */
export function liveSource(suite: string, source: TestSource): TestSource {
  const check = <T extends { readonly standIns?: Layer | undefined }>(of: T): T => {
    const [stubbed] = of.standIns?.stubs.keys() ?? [];
    if (stubbed === undefined) return of;
    const problem = `stubs ${stubbed}: it cannot be run with the target ACTIVE, whose calls go to the modules that serve`;
    throw HeliosError.of("SUITE_INVALID", { name: suite, problem });
  };
  const { open } = check(source);
  if (open === undefined) return source;
  return {
    ...source,
    async open() {
      const opened = await open();
      try {
        return check(opened);
      } catch (error) {
        opened.close();
        throw error;
      }
    },
  };
}
