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

/** A case of one kind of error that has a code of its own. */
export interface ErrorCase {
  readonly code: ErrorCode;
  /** When, for people. */
  readonly when: string;
  readonly so: (metadata: Readonly<Record<string, string>>) => boolean;
}

/** One kind of error. */
export interface ErrorRow {
  readonly code: ErrorCode;
  /** The first of these that is `so` has its code instead. */
  readonly unless?: readonly ErrorCase[];
  /** English; each `{key}` is a metadata key of that name. */
  readonly message: string;
  /** Metadata keys that may be there besides those in the message. */
  readonly extra?: readonly string[];
  /** Whether the same request, sent again unchanged a little later, can succeed. */
  readonly retryable: boolean;
  /** What the caller can do about it. */
  readonly help: string;
}

/** Rows as they are written, so that the compiler knows the keys of each message. */
export const table = <const T extends Record<string, ErrorRow>>(rows: T): T => rows;
