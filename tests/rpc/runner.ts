import { systemClock } from "../../src/core/index.ts";
import { createRunner, type Runner, type RunnerOptions } from "../../src/server/calls/runner.ts";
import { createServingSwitch } from "../../src/server/services/health.ts";

/** What runs calls in the server, without a server. Unexpected errors are thrown, unless `report` is given. */
export function testRunner(options: Partial<RunnerOptions> = {}): Runner {
  return createRunner({
    clock: systemClock,
    log: () => {},
    newId: () => "error-id",
    report: (_, error) => {
      throw error;
    },
    serving: createServingSwitch(),
    over: new AbortController().signal,
    ...options,
  });
}
