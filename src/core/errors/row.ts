/** The gRPC codes that domain errors use, by name. */
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

/** A case of an error that has another code. */
export interface ErrorCase {
  readonly code: ErrorCode;
  /** Describes the case, for people. */
  readonly when: string;
  readonly so: (metadata: Readonly<Record<string, string>>) => boolean;
}

/** One kind of error. */
export interface ErrorRow {
  readonly code: ErrorCode;
  /** The first case whose `so` is true determines the code instead. */
  readonly unless?: readonly ErrorCase[];
  /** English; each `{key}` is a metadata key of that name. */
  readonly message: string;
  /** Optional metadata keys, in addition to those in the message. */
  readonly extra?: readonly string[];
  /** Whether the same request, sent again unchanged a little later, can succeed. */
  readonly retryable: boolean;
  /** What the caller can do about it. */
  readonly help: string;
}

/** Returns the rows with their literal types, so that the compiler knows the keys of each message. */
export const table = <const T extends Record<string, ErrorRow>>(rows: T): T => rows;
