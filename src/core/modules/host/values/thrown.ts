import type { WireError } from "./wire-error.ts";

/** Metadata about an error that a module threw: its parts without the message, in the error that the service returns. */
export interface Thrown {
  readonly error_name: string;
  readonly error_code?: string;
  readonly error_fields?: string;
  readonly error_cause?: string;
  readonly stack?: string;
}

export function thrownOf({ name, stack, code, fields, cause }: WireError): Thrown {
  return {
    error_name: name,
    ...(code === undefined ? {} : { error_code: code }),
    ...(fields === undefined ? {} : { error_fields: fields }),
    ...(cause === undefined ? {} : { error_cause: cause }),
    ...(stack === "" ? {} : { stack }),
  };
}
