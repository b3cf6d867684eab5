import { type DescMessage, type DescMethod, ScalarType } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import type { Clock } from "../../core/index.ts";
import type { ReportUnforeseen } from "../errors.ts";
import type { Bodies } from "../http/bodies.ts";
import type { CallLimit } from "../http/call-limit.ts";
import type { Pacing } from "../http/pacing.ts";
import type { Patience } from "../http/patience.ts";
import type { SlowReaders } from "../http/slow-readers.ts";
import type { Turns } from "../http/turns.ts";
import type { CallOrigin } from "./context.ts";
import type { Streaming, Unary } from "./runner.ts";
import type { Shutdown } from "./served-stream.ts";

/** A method with a single request, and what runs it. */
export type Route = {
  readonly method: DescMethod;
  /** Whether a request may contain bytes. */
  readonly hasBytes: boolean;
} & (
  | { readonly unary: Unary; readonly streaming?: undefined }
  | { readonly streaming: Streaming; readonly unary?: undefined }
);

/** What calls with the same head have in common. */
export interface CallPlan {
  readonly route: Route;
  readonly origin: CallOrigin;
  /** The head cannot be accepted for this reason, whatever the body is. */
  readonly refusal: ConnectError | undefined;
}

/** What calls that are served directly share. */
export interface CallDeps {
  readonly clock: Clock;
  /** Creates ids for unforeseen errors. `report` logs the errors. */
  readonly newId: () => string;
  readonly report: ReportUnforeseen;
  readonly callLimit: Pick<CallLimit, "enter" | "leave">;
  readonly bodies: Pick<Bodies, "holder">;
  readonly slowReaders: Pick<SlowReaders, "track">;
  readonly pacing: Pick<Pacing, "pace">;
  /** For bodies that do not arrive in time. */
  readonly patience: Patience;
  readonly turns: Turns;
  /** Ends calls in progress when the server must end. */
  readonly shutdown: Shutdown;
  readonly maxRequestBytes: number;
}

/** Whether a message of that type, or one in it, may have a field of bytes. */
export function mayHaveBytes(desc: DescMessage, seen: Set<DescMessage> = new Set()): boolean {
  if (seen.has(desc)) return false;
  seen.add(desc);
  return desc.fields.some(
    ({ scalar, message }) => scalar === ScalarType.BYTES || (message !== undefined && mayHaveBytes(message, seen)),
  );
}
