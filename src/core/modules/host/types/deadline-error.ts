import { seconds } from "../../../async/deadline.ts";
import { HeliosError } from "../../../errors/error.ts";

/** Returns MODULE_DEADLINE_EXCEEDED: the method did not answer in time. A negative `timeoutMs` counts as 0. */
export function deadlineError(name: string, method: string, timeoutMs: number): HeliosError {
  return HeliosError.of("MODULE_DEADLINE_EXCEEDED", { name, method, timeout: seconds(Math.max(0, timeoutMs)) });
}
