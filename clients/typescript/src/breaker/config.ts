import { create, toBinary } from "@bufbuild/protobuf";
import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import { createValidator, type Validator } from "@bufbuild/protovalidate";
import {
  type BreakerConfig as BreakerConfigMessage,
  BreakerConfigSchema,
} from "../../../../gen/helios/v1/breaker_pb.ts";
import {
  type GetOrCreateBreakerRequest,
  GetOrCreateBreakerRequestSchema,
} from "../../../../gen/helios/v1/breaker_service_pb.ts";
import type { BreakerConfig, BreakerConfigFields } from "../../../../src/kernel/breakers/config.ts";
import { DEFAULT_CONFIG } from "../../../../src/kernel/breakers/policy/defaults.ts";
import { toDuration } from "../spans.ts";

let validator: Validator | undefined;

/** Returns the request for a breaker. Throws a TypeError that names the field that violates the contract. */
export function toRequest(name: string, fields: BreakerConfigFields | undefined): GetOrCreateBreakerRequest {
  const config = fields && toMessage(fields);
  const request = create(GetOrCreateBreakerRequestSchema, { name, ...(config === undefined ? {} : { config }) });
  const wrong = (problem: string): TypeError => new TypeError(`breaker ${JSON.stringify(name)}: ${problem}`);
  try {
    toBinary(GetOrCreateBreakerRequestSchema, request);
  } catch (error) {
    // For example a threshold of 2.5 failures.
    throw wrong(error instanceof Error ? error.message : String(error));
  }
  validator ??= createValidator();
  const result = validator.validate(GetOrCreateBreakerRequestSchema, request);
  if (result.kind === "valid") return request;
  throw wrong(result.error.message);
}

/** The configuration with all defaults. */
export function completed(fields: BreakerConfigFields = {}): BreakerConfig {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return { ...DEFAULT_CONFIG, ...(Object.fromEntries(given) as Partial<BreakerConfig>) };
}

/** The configuration that the service sent. An older service does not send all fields. */
export function fromMessage(config: BreakerConfigMessage | undefined): BreakerConfig {
  return completed({
    failureThreshold: config?.failureThreshold,
    timeoutMs: toMs(config?.timeout),
    successThreshold: config?.successThreshold,
    probeConcurrency: config?.probeConcurrency,
    probeTimeoutMs: toMs(config?.probeTimeout),
    failureRate: config?.failureRate,
    slowCallRate: config?.slowCallRate,
    slowCallDurationMs: toMs(config?.slowCallDuration),
    windowCalls: config?.windowCalls,
    windowMs: toMs(config?.windowDuration),
    minimumCalls: config?.minimumCalls,
    timeoutMultiplier: config?.timeoutMultiplier,
    maxTimeoutMs: toMs(config?.maxTimeout),
    jitter: config?.jitter,
    probeFailureRate: config?.probeFailureRate,
    minReporters: config?.minReporters,
    warmUpMs: toMs(config?.warmUp),
  });
}

export const toMs = (duration: Duration | undefined): number | undefined => duration && durationMs(duration);

function toMessage(fields: BreakerConfigFields): BreakerConfigMessage {
  const set = {
    failureThreshold: fields.failureThreshold,
    timeout: fromMs("timeoutMs", fields.timeoutMs),
    successThreshold: fields.successThreshold,
    probeConcurrency: fields.probeConcurrency,
    probeTimeout: fromMs("probeTimeoutMs", fields.probeTimeoutMs),
    failureRate: fields.failureRate,
    slowCallRate: fields.slowCallRate,
    slowCallDuration: fromMs("slowCallDurationMs", fields.slowCallDurationMs),
    windowCalls: fields.windowCalls,
    windowDuration: fromMs("windowMs", fields.windowMs),
    minimumCalls: fields.minimumCalls,
    timeoutMultiplier: fields.timeoutMultiplier,
    maxTimeout: fromMs("maxTimeoutMs", fields.maxTimeoutMs),
    jitter: fields.jitter,
    probeFailureRate: fields.probeFailureRate,
    minReporters: fields.minReporters,
    warmUp: fromMs("warmUpMs", fields.warmUpMs),
  };
  const given = Object.entries(set).filter(([, value]) => value !== undefined && value !== null);
  return create(BreakerConfigSchema, Object.fromEntries(given));
}

function fromMs(option: string, ms: number | undefined): Duration | undefined {
  return ms === undefined ? undefined : toDuration(option, ms);
}
