import { ViolationsSchema } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { Code, type ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, RetryInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";

/** An error as REST shows it. */
export interface Failure {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly error: Readonly<Record<string, unknown>> };
}

/** The mapping of google.rpc.Code to HTTP. */
const STATUS: Readonly<Record<Code, number>> = {
  [Code.Canceled]: 499,
  [Code.Unknown]: 500,
  [Code.InvalidArgument]: 400,
  [Code.DeadlineExceeded]: 504,
  [Code.NotFound]: 404,
  [Code.AlreadyExists]: 409,
  [Code.PermissionDenied]: 403,
  [Code.ResourceExhausted]: 429,
  [Code.FailedPrecondition]: 400,
  [Code.Aborted]: 409,
  [Code.OutOfRange]: 400,
  [Code.Unimplemented]: 501,
  [Code.Internal]: 500,
  [Code.Unavailable]: 503,
  [Code.DataLoss]: 500,
  [Code.Unauthenticated]: 401,
};

/** Reasons for which HTTP has a more specific status. */
const STATUS_OF_REASON: Readonly<Record<string, number>> = {
  HTTP_METHOD_NOT_ALLOWED: 405,
  MODULE_METHOD_NOT_FOUND: 404,
  HTTP_BODY_TOO_LARGE: 413,
  HTTP_MEDIA_TYPE_UNSUPPORTED: 415,
  HTTP_HEADERS_TOO_LARGE: 431,
};

/** `isConditional`: the etag that did not match was in If-Match. */
export function toFailure(error: ConnectError, isConditional = false): Failure {
  const [info] = error.findDetails(ErrorInfoSchema);
  const [retry] = error.findDetails(RetryInfoSchema);
  const [violations] = error.findDetails(ViolationsSchema);
  const delay = retry?.retryDelay;
  const isUnmet = isConditional && info?.reason === "ETAG_MISMATCH";
  const status = isUnmet ? 412 : (STATUS_OF_REASON[info?.reason ?? ""] ?? STATUS[error.code]);
  return {
    status,
    headers: {
      ...(delay === undefined ? {} : { "retry-after": String(Math.ceil(Number(delay.seconds) + delay.nanos / 1e9)) }),
      ...(status === 405 ? { allow: info?.metadata.allowed ?? "" } : {}),
    },
    body: {
      error: {
        code: status,
        status: nameOf(error.code),
        reason: info?.reason ?? "",
        message: error.rawMessage,
        metadata: info?.metadata ?? {},
        violations: (violations?.violations ?? []).map(({ field, ruleId, message }) => ({
          field: field?.elements.map(({ fieldName }) => fieldName).join(".") ?? "",
          rule: ruleId,
          message,
        })),
      },
    },
  };
}

/** Returns the name in google.rpc.Code, such as `NOT_FOUND`. */
function nameOf(code: Code): string {
  const name = Code[code] ?? "Unknown";
  if (code === Code.Canceled) return "CANCELLED";
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
