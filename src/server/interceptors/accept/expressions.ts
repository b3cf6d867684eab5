import type { Message } from "@bufbuild/protobuf";
import type { FieldMask, Timestamp } from "@bufbuild/protobuf/wkt";
import type { Rule } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { OutcomeReport } from "../../../../gen/helios/v1/breaker_service_pb.ts";
import type { Gradual } from "../../../../gen/helios/v1/flag_pb.ts";
import type { RunTestsRequest } from "../../../../gen/helios/v1/test_service_pb.ts";
import type { Accepts } from "./checks.ts";
import { isLonger } from "./rules.ts";

/** Returns the checks of rules that are written in CEL. Undefined if one of them is not known. */
export function compileExpressions(
  rules: readonly Pick<Rule, "expression">[],
): readonly Accepts<Message>[] | undefined {
  const known = rules.map(({ expression }) => EXPRESSIONS.get(expression));
  return known.includes(undefined) ? undefined : (known as Accepts<Message>[]);
}

/** The seconds of the years 1 and 9999. */
const [FIRST, LAST] = [-62_135_596_800n, 253_402_300_799n];

/** Only such times can be compared by seconds and nanos. */
const isNormal = ({ seconds, nanos }: Timestamp): boolean =>
  seconds >= FIRST && seconds <= LAST && nanos >= 0 && nanos < 1e9;

function areInOrder({ startTime, endTime }: Gradual): boolean {
  if (startTime === undefined || endTime === undefined) return startTime === endTime;
  return isNormal(startTime) && isNormal(endTime) && isLonger(endTime, startTime);
}

const checks = <T extends Message>(check: Accepts<T>): Accepts<Message> => check as Accepts<never> as Accepts<Message>;

/** The CEL expressions of the contract by their text. Another text is another rule, and protovalidate decides. */
const EXPRESSIONS: ReadonlyMap<string, Accepts<Message>> = new Map([
  ["this.paths.size() <= 100", checks(({ paths }: FieldMask) => paths.length <= 100)],
  [
    "this.lease_id == '' || (this.runs.size() == 1 && this.runs[0].count <= 1u)",
    checks(({ leaseId, runs }: OutcomeReport) => leaseId === "" || (runs.length === 1 && (runs[0]?.count ?? 0) <= 1)),
  ],
  [
    "has(this.start_time) == has(this.end_time) && (!has(this.start_time) || this.start_time < this.end_time)",
    checks(areInOrder),
  ],
  [
    "!has(this.paused_at) || has(this.start_time)",
    checks(({ pausedAt, startTime }: Gradual) => pausedAt === undefined || startTime !== undefined),
  ],
  [
    "this.suite == '' || this.module_type == '' || this.suite == this.module_type",
    checks(({ suite, moduleType }: RunTestsRequest) => suite === "" || moduleType === "" || suite === moduleType),
  ],
]);
