import { create } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import {
  ErrorCode,
  type Evaluation as EvaluationMessage,
  EvaluationSchema,
  Reason,
} from "../../gen/helios/v1/flag_pb.ts";
import {
  type EvaluateFlagRequest,
  EvaluateFlagRequestSchema,
  type EvaluateFlagResponse,
  EvaluateFlagResponseSchema,
} from "../../gen/helios/v1/flag_service_pb.ts";
import { compileFlag } from "../../src/kernel/flags/evaluate.ts";
import type { Evaluation, EvaluationContext } from "../../src/kernel/flags/evaluation.ts";
import type { FlagRule } from "../../src/kernel/flags/rule.ts";

/** The flag that every side evaluates: on for half of the sessions. */
export const RULE: FlagRule = {
  name: "bench",
  revision: 1,
  enabled: true,
  strategy: "PERCENTAGE",
  percentage: 50,
  whitelist: [],
  bucketBy: "SESSION_ID",
  salt: "bench",
  bucketingVersion: 1,
};
export const EVALUATE_PATH = "/helios.v1.FlagService/EvaluateFlag";
/** Several sessions, so that no side can keep one answer. */
const SESSIONS = 64;

export const REQUESTS: readonly EvaluateFlagRequest[] = Array.from({ length: SESSIONS }, (_, index) =>
  create(EvaluateFlagRequestSchema, { name: RULE.name, context: { sessionId: `session-${1000 + index}` } }),
);

const flags = new Map([[RULE.name, compileFlag(RULE)]]);

/** The evaluation of the peers, by the same code as in Helios. Undefined if there is no such flag. */
export function evaluateRule(name: string, context: EvaluationContext): Evaluation | undefined {
  return flags.get(name)?.evaluate(context, Date.now());
}

/** The same with messages by protobuf-es. */
export function evaluate({ name, context }: EvaluateFlagRequest): EvaluateFlagResponse | undefined {
  const { sessionId, userId, symbol, system, attributes } = context ?? {};
  const answer = evaluateRule(name, { sessionId, userId, symbol, system, attributes });
  if (answer === undefined) return undefined;
  const evaluation: EvaluationMessage = create(EvaluationSchema, {
    name: answer.name,
    enabled: answer.enabled,
    variant: answer.variant,
    value: create(ValueSchema, { kind: { case: "boolValue", value: answer.enabled } }),
    reason: Reason[answer.reason],
    errorCode: ErrorCode[answer.errorCode ?? "UNSPECIFIED"],
    ...(answer.bucket === undefined ? {} : { bucket: answer.bucket }),
    revision: BigInt(answer.revision),
  });
  return create(EvaluateFlagResponseSchema, { evaluation });
}
