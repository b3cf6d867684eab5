import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type ErrorInfo, ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { cut, type ErrorCode, HeliosError } from "../core/index.ts";
import { toDuration } from "./map/common.ts";

/** The domain in the ErrorInfo of every error of Helios. */
const ERROR_DOMAIN = "helios";

const CODES: Readonly<Record<ErrorCode, Code>> = {
  NOT_FOUND: Code.NotFound,
  ALREADY_EXISTS: Code.AlreadyExists,
  INVALID_ARGUMENT: Code.InvalidArgument,
  FAILED_PRECONDITION: Code.FailedPrecondition,
  ABORTED: Code.Aborted,
  OUT_OF_RANGE: Code.OutOfRange,
  UNAVAILABLE: Code.Unavailable,
  RESOURCE_EXHAUSTED: Code.ResourceExhausted,
  DEADLINE_EXCEEDED: Code.DeadlineExceeded,
  CANCELLED: Code.Canceled,
  PERMISSION_DENIED: Code.PermissionDenied,
  UNIMPLEMENTED: Code.Unimplemented,
  INTERNAL: Code.Internal,
};

/** Length of an error's text, and of one value of its metadata; the rest is cut. @limit characters */
const MAX_TEXT_CHARS = 1024;
/**
 * Size of an error's text, as gRPC writes it in a trailer; the rest is cut. With the details it stays below the 8 KiB
 * of trailers that cautious clients read; beyond that they see a broken connection. @limit bytes
 */
const MAX_ERROR_TEXT_BYTES = 1536;
/** Size of an error's `ErrorInfo`; beyond it the values of its metadata are cut. @limit bytes */
const MAX_ERROR_INFO_BYTES = 2560;
/** Size of the field violations in an error's details; violations that do not fit are omitted. @limit bytes */
export const MAX_ERROR_VIOLATIONS_BYTES = 1024;

/**
 * Converts an error to its form in the protocol: code and text, an ErrorInfo, and a RetryInfo if the time to retry is
 * known.
 */
export function fromHeliosError(error: HeliosError): ConnectError {
  const info = infoOf(error);
  const wire = new ConnectError(fitText(error.message), CODES[error.code], undefined, undefined, error);
  wire.details.push({ desc: ErrorInfoSchema, value: info });
  if (error.retryAfterMs !== undefined) {
    const value = create(RetryInfoSchema, { retryDelay: toDuration(error.retryAfterMs) });
    wire.details.push({ desc: RetryInfoSchema, value });
  }
  return wire;
}

/** Logs an unforeseen error with the id that the caller gets. */
export type ReportUnforeseen = (errorId: string, error: unknown) => void;

/**
 * Converts anything that a handler threw to an error for the caller. An unforeseen error becomes INTERNAL with an id, and
 * its text is only logged. `signal` belongs to the call: if it is aborted, the handler's error is reported as a
 * cancellation or a passed deadline.
 */
export function toConnectError(
  thrown: unknown,
  signal: AbortSignal,
  newId: () => string,
  report: ReportUnforeseen,
): ConnectError {
  if (thrown instanceof HeliosError) return fromHeliosError(thrown);
  if (thrown instanceof ConnectError) return thrown;
  if (signal.aborted) return ConnectError.from(signal.reason, Code.Canceled);
  const errorId = newId();
  report(errorId, thrown);
  return fromHeliosError(HeliosError.of("INTERNAL", { error_id: errorId }, { cause: thrown }));
}

/**
 * Returns the ErrorInfo of an error. If the metadata are too long, the stack is cut first, then all texts. A value that is
 * JSON is left out rather than cut.
 */
export function infoOf({ reason, metadata }: Pick<HeliosError, "reason" | "metadata">): ErrorInfo {
  const fitting = (chars: number, stackChars: number): ErrorInfo => {
    const values = Object.entries(metadata).flatMap(([key, value]) => {
      if (JSON_KEYS.has(key)) return value.length <= chars ? [[key, value] as const] : [];
      return [[key, cut(value, key === "stack" ? stackChars : chars)] as const];
    });
    return create(ErrorInfoSchema, { reason, domain: ERROR_DOMAIN, metadata: Object.fromEntries(values) });
  };
  const whole = fitting(MAX_TEXT_CHARS, MAX_TEXT_CHARS);
  if (fits(whole)) return whole;
  for (let chars = MAX_TEXT_CHARS; ; chars /= 2) {
    const info = fitting(chars, Math.min(chars, SHORT_STACK));
    if (chars < 2 || fits(info)) return info;
  }
}

const fits = (info: ErrorInfo): boolean => toBinary(ErrorInfoSchema, info).length <= MAX_ERROR_INFO_BYTES;

/** Metadata that are JSON. They would be unreadable if they were cut. */
const JSON_KEYS: ReadonlySet<string> = new Set(["error_fields", "error_cause"]);
/** Characters of a stack that remain if the metadata are too long. */
const SHORT_STACK = 256;

/** Cuts an error's text if it is too long for a trailer. */
export function fitText(text: string): string {
  for (let chars = MAX_TEXT_CHARS; ; chars /= 2) {
    const short = cut(text, chars).toWellFormed();
    if (chars < 2 || encodeURIComponent(short).length <= MAX_ERROR_TEXT_BYTES) return short;
  }
}
