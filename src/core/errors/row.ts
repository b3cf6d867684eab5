/** The gRPC codes that errors use, by name. */
export type ErrorCode =
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "INVALID_ARGUMENT"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNAVAILABLE"
  | "RESOURCE_EXHAUSTED"
  | "DEADLINE_EXCEEDED"
  | "CANCELLED"
  | "UNIMPLEMENTED"
  | "INTERNAL";

/** A case in which an error has a code other than its usual one. */
export interface ErrorCase {
  readonly code: ErrorCode;
  /** Describes the case, for people. */
  readonly when: string;
  readonly so: (metadata: Readonly<Record<string, string>>) => boolean;
}

/** One kind of error. */
export interface ErrorRow {
  readonly code: ErrorCode;
  /** Cases with another code. The first case whose `so` returns true decides the code. */
  readonly unless?: readonly ErrorCase[];
  /** English text. Each `{key}` stands for the metadata value of that key. */
  readonly message: string;
  /** Metadata keys that may be present in addition to those in the message. */
  readonly extra?: readonly string[];
  /** Whether the same request can succeed when it is sent again a little later. */
  readonly retryable: boolean;
  /** What the caller can do about it. */
  readonly help: string;
}

/** Returns the rows with their literal types, so that the compiler knows the keys of each message. */
export const table = <const T extends Record<string, ErrorRow>>(rows: T): T => rows;
