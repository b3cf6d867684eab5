import { type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { ErrorCode, Reason } from "../../../../gen/helios/v1/flag_pb.ts";
import {
  type FlagUsageSchema,
  type ReportUsageRequest,
  ReportUsageRequestSchema,
  type UsageReport as UsageReportMessage,
} from "../../../../gen/helios/v1/flag_service_pb.ts";
import { type FlagUsage, invalid, type UsageReport } from "../../../core/index.ts";
import { toOptionalTimestamp, toTimestamp } from "../common.ts";
import { whole } from "../message.ts";
import { leastSize } from "../size.ts";

/** Size of a request of ReportUsage, as protobuf. A larger one is refused with `ARGUMENT_INVALID`. @limit bytes */
const MAX_REPORT_BYTES = 64 * 1024;

/** Throws ARGUMENT_INVALID for a request above `MAX_REPORT_BYTES`. */
export function checkReportSize(request: ReportUsageRequest): void {
  const least = leastSize(request);
  const bytes = least > MAX_REPORT_BYTES ? least : toBinary(ReportUsageRequestSchema, request).length;
  if (bytes <= MAX_REPORT_BYTES) return;
  throw invalid(
    "reports",
    `the request may have at most ${MAX_REPORT_BYTES} bytes as protobuf, but has ${bytes} or more`,
  );
}

/** A client may be newer than the service, so what is not known here is no error. */
export function fromUsageReport({ name, answers }: UsageReportMessage): UsageReport {
  return {
    name,
    answers: answers.map(({ variant, reason, errorCode, count }) => {
      const code = nameOf(ErrorCode, errorCode);
      return {
        variant,
        reason: nameOf(Reason, reason) ?? "UNSPECIFIED",
        errorCode: code === "UNSPECIFIED" ? undefined : code,
        count: Number(count),
      };
    }),
  };
}

export function toFlagUsage(usage: FlagUsage): MessageInitShape<typeof FlagUsageSchema> {
  const { name, lastTime, recordedSince, windowStart, clients, capped, count, answers } = usage;
  return {
    name,
    lastTime: toOptionalTimestamp(lastTime),
    recordedSince: toTimestamp(recordedSince),
    windowStart: toTimestamp(windowStart),
    clients,
    clientsCapped: capped,
    count: whole(count),
    answers: answers.map((answer) => ({
      variant: answer.variant,
      reason: Reason[answer.reason],
      errorCode: ErrorCode[answer.errorCode ?? "UNSPECIFIED"],
      count: whole(answer.count),
      lastTime: toTimestamp(answer.lastTime),
    })),
  };
}

/** The name of an enum's value, which the engine uses too. Undefined if there is no such value. */
function nameOf<T extends Readonly<Record<string, number>>>(values: T, value: number): (keyof T & string) | undefined {
  return Object.keys(values).find((name) => values[name] === value);
}
