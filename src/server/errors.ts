import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { type ErrorCode, HeliosError } from "../core/index.ts";
import { toDuration } from "./map/common.ts";

/** Of the ErrorInfo of every error that comes from Helios. */
export const ERROR_DOMAIN = "helios";

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

/** The longest text that goes into one metadata value; gRPC sends details in a header. */
const MAX_METADATA_CHARS = 1024;

/** A domain error as it goes over the wire: its code and text, one ErrorInfo, and RetryInfo where a time is known. */
export function fromHeliosError(error: HeliosError): ConnectError {
  const metadata = Object.fromEntries(Object.entries(error.metadata).map(([key, value]) => [key, cut(value)]));
  const info = create(ErrorInfoSchema, { reason: error.reason, domain: ERROR_DOMAIN, metadata });
  const wire = new ConnectError(cut(error.message), CODES[error.code], undefined, undefined, error);
  wire.details.push({ desc: ErrorInfoSchema, value: info });
  if (error.retryAfterMs !== undefined) {
    const value = create(RetryInfoSchema, { retryDelay: toDuration(error.retryAfterMs) });
    wire.details.push({ desc: RetryInfoSchema, value });
  }
  return wire;
}

/** Told of errors that nobody foresaw, with the id under which the caller knows them. */
export type ReportUnforeseen = (errorId: string, error: unknown) => void;

/**
 * Whatever a handler threw, as it goes over the wire. What was not foreseen becomes INTERNAL with an id; its text stays
 * in the log. `signal` is the call's: a handler that failed because its caller left, or out of time, tells just that.
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

function cut(text: string): string {
  return text.length <= MAX_METADATA_CHARS ? text : `${text.slice(0, MAX_METADATA_CHARS - 1)}…`;
}
