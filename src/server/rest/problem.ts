import { type HeliosError, invalid as invalidField } from "../../core/index.ts";

/** Returns ARGUMENT_INVALID for a field, by its path in snake_case. "" stands for the request as a whole. */
export function invalid(field: string, problem: string): HeliosError {
  return invalidField(field || "(request)", problem);
}

export const below = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`);
