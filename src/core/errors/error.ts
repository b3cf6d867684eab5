import { BREAKER_ERRORS } from "../breakers/errors.ts";
import { FLAG_ERRORS } from "../flags/errors.ts";
import { MODULE_ERRORS } from "../modules/errors.ts";
import { STORE_ERRORS } from "../store/errors.ts";
import { TESTING_ERRORS } from "../testing/errors.ts";
import { WATCH_ERRORS } from "../watch/errors.ts";
import { REQUEST_ERRORS } from "./requests.ts";
import { type ErrorCode, type ErrorRow, table } from "./row.ts";

export type { ErrorCode } from "./row.ts";

/** Every error that a caller can get, by its stable reason. `docs/errors.md` is generated from it. */
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
    help: "Read the resource again and decide anew.",
  },
  REQUEST_ID_REUSED: {
    code: "INVALID_ARGUMENT",
    message: "the id {request_id} was used for another request",
    retryable: false,
    help: "Make a new request_id, or idempotency_key, for each request; repeat one only with the same content.",
  },
  ANSWER_NOT_KEPT: {
    code: "FAILED_PRECONDITION",
    message: "request {request_id} was carried out, but its answer is not kept any more",
    retryable: false,
    help: "Nothing was done again. Read the present state, or use a new id to do it once more.",
  },
  ARGUMENT_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "{field}: {problem}",
    retryable: false,
    help: "Correct the field named; field violations are listed as buf.validate.Violations where a rule was broken.",
  },
  RESOURCE_TOO_LARGE: {
    code: "INVALID_ARGUMENT",
    message: "{what} {name} would have {size} bytes; at most {limit} are allowed",
    retryable: false,
    help: "Nothing was changed. Make it smaller: the size is that of its longer encoding, JSON or protobuf.",
  },
  PAGE_TOKEN_INVALID: {
    code: "INVALID_ARGUMENT",
    message: "page_token {page_token} was not given by this list",
    retryable: false,
    help: "Send next_page_token of the page before, with the same request otherwise.",
  },
  CALL_DEADLINE_EXCEEDED: {
    code: "DEADLINE_EXCEEDED",
    message: "the deadline of the call has passed: {problem}",
    retryable: true,
    help: "What was asked for may have been done: retry with the same request_id, or look.",
  },
  CALL_CANCELLED: {
    code: "CANCELLED",
    message: "the call was cancelled: {problem}",
    retryable: true,
    help: "What was asked for may have been done: retry with the same request_id, or look.",
  },
  SERVICE_NOT_FOUND: {
    code: "NOT_FOUND",
    message: "service {service} is not served here",
    retryable: false,
    help: "Ask grpc.health.v1.Health/List for the names; the empty name stands for the whole server.",
  },
  SERVER_DRAINING: {
    code: "UNAVAILABLE",
    message: "the server is shutting down",
    extra: ["retry_after"],
    retryable: true,
    help: "Retry, with the last resume_token for a watch; another server or this one restarted will answer.",
  },
  INTERNAL: {
    code: "INTERNAL",
    message: "internal error {error_id}",
    retryable: false,
    help: "The cause is in the server's log under the error_id.",
  },
});

export type Reason = keyof typeof ERRORS;

type KeysIn<Text extends string> = Text extends `${string}{${infer Key}}${infer Rest}` ? Key | KeysIn<Rest> : never;
type MessageKeys<R extends Reason> = KeysIn<(typeof ERRORS)[R]["message"]>;
type ExtraKeys<R extends Reason> = (typeof ERRORS)[R] extends { extra: readonly (infer Key extends string)[] }
  ? Key
  : never;

/** What goes into an error's message and metadata. */
export type Metadata<R extends Reason> = Readonly<
  Record<Exclude<MessageKeys<R>, ExtraKeys<R>>, string | number> & Partial<Record<ExtraKeys<R>, string | number>>
>;

/** An error that a caller is meant to see: one row of the table, with its values. */
export class HeliosError extends Error {
  override readonly name = "HeliosError";
  readonly reason: Reason;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly metadata: Readonly<Record<string, string>>;
  /** When a retry makes sense, in ms from now; absent where nothing is known of it. */
  readonly retryAfterMs: number | undefined;

  private constructor(
    reason: Reason,
    metadata: Readonly<Record<string, string>>,
    options: { cause?: unknown; retryAfterMs?: number },
  ) {
    const row: ErrorRow = ERRORS[reason];
    super(
      row.message.replace(/\{(\w+)\}/g, (_, key: string) => metadata[key] ?? ""),
      { cause: options.cause },
    );
    this.reason = reason;
    this.code = (row.unless?.find(({ so }) => so(metadata)) ?? row).code;
    this.retryable = row.retryable;
    this.metadata = metadata;
    this.retryAfterMs = options.retryAfterMs;
  }

  /** Makes the error of that reason; the compiler asks for every value its message needs. */
  static of<R extends Reason>(
    reason: R,
    metadata: Metadata<R>,
    options: { cause?: unknown; retryAfterMs?: number } = {},
  ): HeliosError {
    const texts: Record<string, string> = {};
    for (const [key, value] of Object.entries(metadata)) if (value !== undefined) texts[key] = String(value);
    return new HeliosError(reason, texts, options);
  }
}

/** Whether `error` is the domain error of that reason. */
export function isReason(error: unknown, reason: Reason): error is HeliosError {
  return error instanceof HeliosError && error.reason === reason;
}

/** Errors within one another that are looked at. @limit errors */
const MOST_CAUSES = 10;

/** The fault of the store or the machine that an error came of, if it did: the same can go well later. */
export function faultIn(error: unknown): HeliosError | undefined {
  let one = error;
  for (let depth = 0; depth < MOST_CAUSES && one instanceof Error; depth += 1, one = one.cause) {
    if (isReason(one, "STORE_UNAVAILABLE") || isReason(one, "MACHINE_FAULT")) return one;
  }
  return undefined;
}

/** The message of whatever was thrown: modules and libraries throw anything. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message;
  return typeof thrown === "string" ? thrown : String(thrown);
}
