import { HeliosError } from "../../../errors/error.ts";
import { thrownOf } from "../values/thrown.ts";
import type { WireError } from "../values/wire-error.ts";

/** Creates MODULE_METHOD_FAILED: the module threw this error. */
export function methodFailed(name: string, method: string, error: WireError): HeliosError {
  const fault = error.callerFault === true ? { caller_fault: "true" } : {};
  return HeliosError.of("MODULE_METHOD_FAILED", { name, method, error: error.message, ...thrownOf(error), ...fault });
}

/** Creates MODULE_CRASHED: the instance has ended. `delivered`: whether the call had been sent to the instance. */
export function crashed(name: string, description: string | undefined, delivered: boolean): HeliosError {
  return HeliosError.of("MODULE_CRASHED", { name, error: description ?? "it ended", delivered: String(delivered) });
}
