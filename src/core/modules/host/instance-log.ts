import type { Clock } from "../../clock.ts";
import type { InstanceServices } from "./host.ts";

/**
 * Entries that one instance of a module logs; more are dropped, and counted in an entry of their own.
 * @limit entries a second
 */
const MAX_PER_SECOND = 1000;

/** The log of one instance, which cannot flood the service's. */
export function createInstanceLog(services: InstanceServices, clock: Clock): InstanceServices["log"] {
  let windowStart = Number.NEGATIVE_INFINITY;
  let inWindow = 0;
  let dropped = 0;
  return (level, message, fields) => {
    const now = clock.monotonic();
    if (now - windowStart >= 1000) {
      windowStart = now;
      inWindow = 0;
      if (dropped > 0) services.log("warn", "log entries were dropped", { dropped });
      dropped = 0;
    }
    inWindow += 1;
    if (inWindow <= MAX_PER_SECOND) services.log(level, message, fields);
    else dropped += 1;
  };
}
