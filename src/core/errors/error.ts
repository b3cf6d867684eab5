import { BREAKER_ERRORS } from "../breakers/errors.ts";
import { FLAG_ERRORS } from "../flags/errors.ts";
import { MODULE_ERRORS } from "../modules/errors.ts";
import { STORE_ERRORS } from "../store/errors.ts";
import { TESTING_ERRORS } from "../testing/errors.ts";
import { WATCH_ERRORS } from "../watch/errors.ts";
import { REQUEST_ERRORS } from "./requests.ts";
import { type ErrorCode, type ErrorRow, table } from "./row.ts";

export type { ErrorCode } from "./row.ts";

/** Every error that a caller can get, by its stable reason. `docs/errors.md` is generated from this table. */
export const ERRORS = table({
  ...FLAG_ERRORS,
  ...REQUEST_ERRORS,
  ...BREAKER_ERRORS,
  ...MODULE_ERRORS,
  ...TESTING_ERRORS,
  ...WATCH_ERRORS,
  ...STORE_ERRORS,
  ETAG_MISMATCH: {
    code: "ABORTED",
    message: "{name} has etag {etag}, not {given}",
    extra: ["index"],
    retryable: false,
    help: "Read the resource again, and decide again.",
  },
  REQUEST_ID_REUSED: {
    code: "INVALID_ARGUMENT",
    message: "the id {request_id} was used for another request",
    retryable: false,
    help: "Use a new request_id or idempotency_key for each request. Repeat one only with the same content.",
  },
  ANSWER_NOT_KEPT: {
    code: "FAILED_PRECONDITION",
    message: "request {request_id} was carried out before, but its answer is no longer stored",
    retryable: false,
    help: "The request was not carried out a second time. Read the current state, or use a new id to repeat the request.",
  },
  ARGUMENT_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "{field}: {problem}",
    retryable: false,
    help: "Correct the field. If a rule of the contract was violated, buf.validate.Violations lists all violations.",
  },
  RESOURCE_TOO_LARGE: {
    code: "INVALID_ARGUMENT",
    message: "{what} {name} would have {size} bytes; at most {limit} are allowed",
    retryable: false,
    help: "Nothing was changed. Make the resource smaller. Its size is that of its larger encoding, JSON or protobuf.",
  },
  PAGE_TOKEN_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "page_token {page_token} was not issued by this list",
    retryable: false,
    help: "Send the next_page_token of the previous page, with the same request otherwise.",
  },
  CALL_DEADLINE_EXCEEDED: {
    code: "DEADLINE_EXCEEDED",
    message: "the deadline of the call has passed: {problem}",
    retryable: true,
    help: "The request may have been carried out. Retry with the same request_id, or check the state.",
  },
  CALL_CANCELLED: {
    code: "CANCELLED",
    message: "the call was cancelled: {problem}",
    retryable: true,
    help: "The request may have been carried out. Retry with the same request_id, or check the state.",
  },
  SERVICE_NOT_FOUND: {
    code: "NOT_FOUND",
    message: "service {service} is not served here",
    retryable: false,
    help: "Call grpc.health.v1.Health/List for the names. The empty name is the whole server.",
  },
  SERVER_DRAINING: {
    code: "UNAVAILABLE",
    message: "the server is shutting down",
    extra: ["retry_after"],
    retryable: true,
    help: "Retry. For a watch, use the last resume_token. Another server answers, or this one after its restart.",
  },
  INTERNAL: {
    code: "INTERNAL",
    message: "internal error {error_id}",
    retryable: false,
    help: "Look for the error_id in the server's log. The entry contains the cause.",
  },
});

export type Reason = keyof typeof ERRORS;

type KeysIn<Text extends string> = Text extends `${string}{${infer Key}}${infer Rest}` ? Key | KeysIn<Rest> : never;
type MessageKeys<R extends Reason> = KeysIn<(typeof ERRORS)[R]["message"]>;
type ExtraKeys<R extends Reason> = (typeof ERRORS)[R] extends { extra: readonly (infer Key extends string)[] }
  ? Key
  : never;

/** The values of an error's message and metadata. */
export type Metadata<R extends Reason> = Readonly<
  Record<Exclude<MessageKeys<R>, ExtraKeys<R>>, string | number> & Partial<Record<ExtraKeys<R>, string | number>>
>;

/** An error for callers: one row of the table, with the values of its message. */
export class HeliosError extends Error {
  override readonly name = "HeliosError";
  readonly reason: Reason;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  /** Time in ms from now after which a retry makes sense. Undefined if that is unknown. */
  readonly retryAfterMs: number | undefined;

  private constructor(
    reason: Reason,
    metadata: Readonly<Record<string, string>>,
    options: { cause?: unknown; retryAfterMs?: number },
  ) {
    const row: ErrorRow = ERRORS[reason];
    super(formatted(row.message, metadata), { cause: options.cause });
    this.reason = reason;
    this.code = (row.unless?.find(({ so }) => so(metadata)) ?? row).code;
    this.retryable = row.retryable;
    this.metadata = metadata;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** Creates the error with that reason. The compiler checks that all values of the message are given. */
  static of<R extends Reason>(
    reason: R,
    metadata: Metadata<R>,
    options: { cause?: unknown; retryAfterMs?: number } = {},
  ): HeliosError {
    const texts: Record<string, string> = {};
    const values: Readonly<Record<string, string | number | undefined>> = metadata;
    for (const key of Object.keys(values)) if (values[key] !== undefined) texts[key] = String(values[key]);
    return new HeliosError(reason, texts, options);
  }
}

/** The texts and the keys of each message, in turn. They are kept, because breakers create many errors of one kind. */
const PARTS = new Map<string, readonly string[]>();

function formatted(message: string, metadata: Readonly<Record<string, string>>): string {
  let parts = PARTS.get(message);
  if (parts === undefined) {
    parts = message.split(/\{(\w+)\}/);
    PARTS.set(message, parts);
  }
  let text = parts[0] ?? "";
  for (let at = 1; at < parts.length; at += 2) text += (metadata[parts[at] ?? ""] ?? "") + (parts[at + 1] ?? "");
  return text;
}

/** Whether `error` is a HeliosError of that reason. */
export function isReason(error: unknown, reason: Reason): error is HeliosError {
  return error instanceof HeliosError && error.reason === reason;
}

/** Nested causes of an error that are searched for a fault of the store or the machine. @limit errors */
const MOST_CAUSES = 10;

/**
 * Returns the fault of the store or of the machine that caused an error, if there is one. A retry can succeed after such a
 * fault.
 */
export function faultIn(error: unknown): HeliosError | undefined {
  let one = error;
  for (let depth = 0; depth < MOST_CAUSES && one instanceof Error; depth += 1, one = one.cause) {
    if (isReason(one, "STORE_UNAVAILABLE") || isReason(one, "MACHINE_FAULT")) return one;
  }
  return undefined;
}

/**
 * Returns the message of a thrown value. It need not be an Error, because modules and libraries throw values of any type.
 */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message;
  return typeof thrown === "string" ? thrown : String(thrown);
}
