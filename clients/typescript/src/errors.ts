import { ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema, RetryInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";

/** What Helios says of an error besides its code and text. */
export interface HeliosErrorInfo {
  /** Stable, such as `FLAG_NOT_FOUND`; see docs/errors.md. */
  readonly reason: string;
  /** Every value of the message, by name. */
  readonly metadata: Readonly<Record<string, string>>;
  /** When a retry makes sense; absent where the service did not say. */
  readonly retryAfterMs?: number;
}

/** Reads the reason of an error that a call threw; undefined where it did not come from Helios. */
export function errorInfo(thrown: unknown): HeliosErrorInfo | undefined {
  if (!(thrown instanceof ConnectError)) return undefined;
  const [info] = thrown.findDetails(ErrorInfoSchema);
  if (info?.domain !== "helios") return undefined;
  const delay = thrown.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return {
    reason: info.reason,
    metadata: info.metadata,
    ...(delay === undefined ? {} : { retryAfterMs: Number(delay.seconds) * 1000 + delay.nanos / 1e6 }),
  };
}
