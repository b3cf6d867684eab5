import type { Clock } from "../../../../kernel/clock.ts";
import type { InstanceServices } from "../types/host.ts";
import { createLogWindow, DROPPED } from "../values/log-window.ts";

/**
 * Log entries of one instance that the service writes, including lines of its output: as many as the instance sends,
 * and one with the number of dropped ones. Further ones are dropped, and counted in an entry of their own.
 * @limit entries a second
 */
const MAX_PER_SECOND = 1001;

/** Returns the log of one instance, with a limited number of entries a second. */
export function createInstanceLog(services: Pick<InstanceServices, "log">, clock: Clock): InstanceServices["log"] {
  const logDropped = (dropped: number): void => services.log("warn", DROPPED, { dropped });
  const mayPass = createLogWindow(MAX_PER_SECOND, () => clock.monotonic(), logDropped);
  return (level, message, fields) => {
    if (mayPass()) services.log(level, message, fields);
  };
}
