import { create } from "@bufbuild/protobuf";
import type { FieldMask } from "@bufbuild/protobuf/wkt";
import {
  type BreakerConfig as BreakerConfigMessage,
  BreakerConfigSchema,
  type Breaker as BreakerMessage,
  BreakerOverride,
  BreakerSchema,
  BreakerState,
} from "../../../gen/helios/v1/breaker_pb.ts";
import {
  type AcquirePermitResponse,
  AcquirePermitResponseSchema,
  Outcome,
  type OutcomeReport as OutcomeReportMessage,
} from "../../../gen/helios/v1/breaker_service_pb.ts";
import {
  type Breaker,
  type BreakerConfigFields,
  DEFAULT_CONFIG,
  HeliosError,
  type OutcomeReport,
  type Permit,
} from "../../core/index.ts";
import { fromDuration, toCause, toDuration, toTimestamp } from "./common.ts";

/** A configuration as it is given; what is absent stays absent. */
export function fromBreakerConfig(config: BreakerConfigMessage): BreakerConfigFields {
  const { failureThreshold, timeout, successThreshold, probeConcurrency, probeTimeout } = config;
  return {
    failureThreshold,
    timeoutMs: fromDuration(timeout),
    successThreshold,
    probeConcurrency,
    probeTimeoutMs: fromDuration(probeTimeout),
  };
}

/** A configuration with every default in place. */
export function toBreakerConfig(fields: BreakerConfigFields): BreakerConfigMessage {
  return create(BreakerConfigSchema, {
    failureThreshold: fields.failureThreshold ?? DEFAULT_CONFIG.failureThreshold,
    timeout: toDuration(fields.timeoutMs ?? DEFAULT_CONFIG.timeoutMs),
    successThreshold: fields.successThreshold ?? DEFAULT_CONFIG.successThreshold,
    probeConcurrency: fields.probeConcurrency ?? DEFAULT_CONFIG.probeConcurrency,
    probeTimeout: toDuration(fields.probeTimeoutMs ?? DEFAULT_CONFIG.probeTimeoutMs),
  });
}

const CONFIG_FIELDS: Readonly<Record<string, keyof BreakerConfigFields>> = {
  failure_threshold: "failureThreshold",
  timeout: "timeoutMs",
  success_threshold: "successThreshold",
  probe_concurrency: "probeConcurrency",
  probe_timeout: "probeTimeoutMs",
};

/** What an update sets: the fields of the mask, one that is absent to its default; without a mask those present. */
export function fromConfigUpdate(config: BreakerConfigMessage, mask: FieldMask | undefined): BreakerConfigFields {
  const given = fromBreakerConfig(config);
  if (mask === undefined || mask.paths.length === 0) return given;
  const keys = mask.paths.map((path) => {
    const key = Object.hasOwn(CONFIG_FIELDS, path) ? CONFIG_FIELDS[path] : undefined;
    if (key !== undefined) return key;
    const known = Object.keys(CONFIG_FIELDS).join(", ");
    throw HeliosError.of("ARGUMENT_INVALID", { field: "update_mask", problem: `${path} is none of ${known}` });
  });
  return Object.fromEntries(keys.map((key) => [key, given[key] ?? DEFAULT_CONFIG[key]]));
}

export function toBreaker(breaker: Breaker): BreakerMessage {
  const { resource, override, counts, retryAfterMs, transition } = breaker;
  return create(BreakerSchema, {
    name: breaker.name,
    config: toBreakerConfig(breaker.config),
    state: BreakerState[breaker.state],
    automaticState: BreakerState[breaker.automaticState],
    override: toOverride(override?.kind),
    ...(override === undefined ? {} : { overrideCause: toCause({ ...override, action: "OpenBreaker" }) }),
    epoch: BigInt(breaker.epoch),
    counts: {
      consecutiveFailures: counts.consecutiveFailures,
      consecutiveSuccesses: counts.consecutiveSuccesses,
      successes: BigInt(counts.successes),
      failures: BigInt(counts.failures),
      ignored: BigInt(counts.ignored),
      rejected: BigInt(counts.rejected),
      lateSuccesses: BigInt(counts.lateSuccesses),
      lateFailures: BigInt(counts.lateFailures),
    },
    ...(retryAfterMs === undefined ? {} : { retryAfter: toDuration(retryAfterMs) }),
    transitionTime: toTimestamp(transition.time),
    transitionCause: toCause(transition),
    probes: breaker.probes,
    revision: BigInt(resource.revision),
    etag: resource.etag,
    createTime: toTimestamp(resource.createTime),
    updateTime: toTimestamp(resource.updateTime),
  });
}

const toOverride = (kind: "FORCED_OPEN" | undefined): BreakerOverride => BreakerOverride[kind ?? "UNSPECIFIED"];

export function toPermit(permit: Permit): AcquirePermitResponse {
  const epoch = BigInt(permit.epoch);
  if (permit.allowed) {
    const { leaseId } = permit;
    const state = leaseId === undefined ? BreakerState.CLOSED : BreakerState.HALF_OPEN;
    return create(AcquirePermitResponseSchema, { allowed: true, epoch, state, leaseId: leaseId ?? "" });
  }
  const { state, retryAfterMs } = permit;
  return create(AcquirePermitResponseSchema, {
    allowed: false,
    epoch,
    state: BreakerState[state],
    override: toOverride(permit.override),
    ...(retryAfterMs === undefined ? {} : { retryAfter: toDuration(retryAfterMs) }),
  });
}

const OUTCOMES = { [Outcome.SUCCESS]: "SUCCESS", [Outcome.FAILURE]: "FAILURE", [Outcome.IGNORED]: "IGNORED" } as const;

export function fromReport({ name, epoch, leaseId, runs }: OutcomeReportMessage): OutcomeReport {
  return {
    name,
    epoch: Number(epoch),
    leaseId: leaseId === "" ? undefined : leaseId,
    runs: runs.map(({ outcome, count }) => ({
      outcome: OUTCOMES[outcome as keyof typeof OUTCOMES] ?? "IGNORED",
      count: count === 0 ? 1 : count,
    })),
  };
}
