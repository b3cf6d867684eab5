import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  ErrorCode,
  type EvaluationContext as EvaluationContextMessage,
  type EvaluationSchema,
  Reason,
} from "../../../../gen/helios/v1/flag_pb.ts";
import { ExplainedStep, type ExplainFlagResponseSchema } from "../../../../gen/helios/v1/flag_service_pb.ts";
import { cut, type Evaluation, type EvaluationContext, type Explanation } from "../../../core/index.ts";
import { toTimestamp } from "../common.ts";
import { JsonValueInit } from "../json-value.ts";
import { whole } from "../message.ts";

/** The fields of the message have the names and types of the engine's context. */
export const fromContext = (message: EvaluationContextMessage | undefined): EvaluationContext => message ?? NO_CONTEXT;

const NO_CONTEXT: EvaluationContext = {};

export function toEvaluation(evaluation: Evaluation): MessageInitShape<typeof EvaluationSchema> {
  const { name, enabled, variant, value, reason, errorCode, bucket, variantBucket, killed, revision } = evaluation;
  return {
    name,
    enabled,
    variant,
    value: new JsonValueInit(value),
    reason: Reason[reason],
    errorCode: ErrorCode[errorCode ?? "UNSPECIFIED"],
    bucket,
    variantBucket,
    killed,
    revision: whole(revision),
  };
}

/** Length of the input and of the result of a step in an explanation; the rest is cut. @limit characters */
const MAX_EXPLAINED = 16_384;

export function toExplanation(explanation: Explanation): MessageInitShape<typeof ExplainFlagResponseSchema> {
  const { evaluation, steps, revision, nowMs } = explanation;
  return {
    evaluation: toEvaluation(evaluation),
    explanations: steps.map(({ step, ...rest }) => ({
      step: ExplainedStep[step],
      ...rest,
      lookedAt: cut(rest.lookedAt, MAX_EXPLAINED),
      outcome: cut(rest.outcome, MAX_EXPLAINED),
    })),
    revision: whole(revision),
    time: toTimestamp(nowMs),
  };
}
