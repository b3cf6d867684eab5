import { HeliosError } from "./error.ts";

/** Creates ARGUMENT_INVALID for a field of a request, or an option of a call. */
export function invalid(field: string, problem: string): HeliosError {
  return HeliosError.of("ARGUMENT_INVALID", { field, problem });
}
