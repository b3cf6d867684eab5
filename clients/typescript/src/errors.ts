import { ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, RetryInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { fromDuration } from "./spans.ts";

/** The details of an error of Helios, in addition to its code and text. */
export interface HeliosErrorInfo {
  /** A stable name such as `FLAG_NOT_FOUND`; see docs/errors.md. */
  readonly reason: string;
  /** The values in the message, by name. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Time in ms to wait before a retry. Absent if the service did not send it. */
  readonly retryAfterMs?: number;
}

/** Reads the details of an error that a call threw. Undefined if the error does not come from Helios. */
export function errorInfo(thrown: unknown): HeliosErrorInfo | undefined {
  if (!(thrown instanceof ConnectError)) return undefined;
  const [info] = thrown.findDetails(ErrorInfoSchema);
  if (info?.domain !== "helios") return undefined;
  const delay = thrown.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return {
    reason: info.reason,
    metadata: info.metadata,
    ...(delay === undefined ? {} : { retryAfterMs: fromDuration(delay) }),
  };
}
