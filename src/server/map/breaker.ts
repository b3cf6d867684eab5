import type { MessageInitShape } from "@bufbuild/protobuf";
import type { FieldMask } from "@bufbuild/protobuf/wkt";
import {
  type BreakerConfig as BreakerConfigMessage,
  BreakerConfigSchema,
  type Breaker as BreakerMessage,
  BreakerOverride,
  BreakerSchema,
  BreakerState,
  IsolatedClientSchema,
} from "../../../gen/helios/v1/breaker_pb.ts";
import {
  type AcquirePermitResponseSchema,
  Outcome,
  type OutcomeReport as OutcomeReportMessage,
  type ReportOutcomesResponseSchema,
  type SimulateBreakerResponse,
  SimulateBreakerResponseSchema,
} from "../../../gen/helios/v1/breaker_service_pb.ts";
import {
  type Breaker,
  type BreakerConfig,
  type BreakerConfigFields,
  type BreakerHold,
  CONFIG_FIELDS,
  type Course,
  DEFAULT_CONFIG,
  type IsolatedClient,
  invalid,
  type OutcomeReport,
  type OverrideKind,
  type Permit,
  type ReportResult,
  type Simulation,
} from "../../core/index.ts";
import { fromDuration, toCause, toDuration, toExactDuration, toTimestamp } from "./common.ts";
import { make, whole } from "./message.ts";
import { mapFitting, wireSize } from "./size.ts";

/** Converts a configuration from a request. Absent fields stay absent. */
export function fromBreakerConfig(config: BreakerConfigMessage): BreakerConfigFields {
  return {
    failureThreshold: config.failureThreshold,
    timeoutMs: fromDuration(config.timeout),
    successThreshold: config.successThreshold,
    probeConcurrency: config.probeConcurrency,
    probeTimeoutMs: fromDuration(config.probeTimeout),
    failureRate: config.failureRate,
    slowCallRate: config.slowCallRate,
    slowCallDurationMs: fromDuration(config.slowCallDuration),
    windowCalls: config.windowCalls,
    windowMs: fromDuration(config.windowDuration),
    minimumCalls: config.minimumCalls,
    timeoutMultiplier: config.timeoutMultiplier,
    maxTimeoutMs: fromDuration(config.maxTimeout),
    jitter: config.jitter,
    probeFailureRate: config.probeFailureRate,
    minReporters: config.minReporters,
    warmUpMs: fromDuration(config.warmUp),
  };
}

/** Converts a configuration, with every default filled in. */
export function toBreakerConfig(fields: Partial<BreakerConfig>): BreakerConfigMessage {
  const config = { ...DEFAULT_CONFIG, ...fields };
  return make(BreakerConfigSchema, {
    failureThreshold: config.failureThreshold,
    timeout: toExactDuration(config.timeoutMs),
    successThreshold: config.successThreshold,
    probeConcurrency: config.probeConcurrency,
    probeTimeout: toExactDuration(config.probeTimeoutMs),
    ...(config.failureRate === null ? {} : { failureRate: config.failureRate }),
    ...(config.slowCallRate === null ? {} : { slowCallRate: config.slowCallRate }),
    slowCallDuration: toExactDuration(config.slowCallDurationMs),
    windowCalls: config.windowCalls,
    windowDuration: toExactDuration(config.windowMs),
    minimumCalls: config.minimumCalls,
    timeoutMultiplier: config.timeoutMultiplier,
    maxTimeout: toExactDuration(config.maxTimeoutMs),
    jitter: config.jitter,
    probeFailureRate: config.probeFailureRate,
    minReporters: config.minReporters,
    warmUp: toExactDuration(config.warmUpMs),
  });
}

/**
 * Returns the fields that an update sets. With a mask: the fields in the mask; a field that is absent gets its default.
 * Without a mask: the fields that are present. Throws ARGUMENT_INVALID for a path that cannot be changed. Also throws for a
 * complete configuration without a mask that clears a rate, because the rate would stay.
 */
export function fromConfigUpdate(
  config: BreakerConfigMessage,
  mask: FieldMask | undefined,
  stored: () => BreakerConfig,
): BreakerConfigFields {
  const given = fromBreakerConfig(config);
  if (mask === undefined || mask.paths.length === 0) {
    refuseCleared(given, stored);
    return given;
  }
  const keys = mask.paths.map((path) => {
    const key = Object.hasOwn(CONFIG_FIELDS, path) ? CONFIG_FIELDS[path] : undefined;
    if (key !== undefined) return key;
    const known = Object.keys(CONFIG_FIELDS).join(", ");
    throw invalid("update_mask", `"${path}" cannot be changed; these can: ${known}`);
  });
  return Object.fromEntries(keys.map((key) => [key, given[key] ?? DEFAULT_CONFIG[key]]));
}

/** A configuration with every field that always has a value was read before and is sent back complete. */
function refuseCleared(given: BreakerConfigFields, stored: () => BreakerConfig): void {
  const names = Object.entries(CONFIG_FIELDS);
  if (names.some(([, key]) => DEFAULT_CONFIG[key] !== null && given[key] === undefined)) return;
  const present = stored();
  const cleared = names.filter(([, key]) => given[key] === undefined && present[key] !== null).map(([name]) => name);
  if (cleared.length === 0) return;
  const problem = `is empty, but config clears ${cleared.join(", ")}, which needs a mask; name the fields to change`;
  throw invalid("update_mask", problem);
}

export function toBreaker(breaker: Breaker): BreakerMessage {
  const { resource, override, counts, retryAfterMs, transition } = breaker;
  const { window } = counts;
  return make(BreakerSchema, {
    name: breaker.name,
    config: toBreakerConfig(breaker.config),
    state: BreakerState[breaker.state],
    automaticState: BreakerState[breaker.automaticState],
    override: toOverride(override?.kind),
    ...(override === undefined ? {} : { overrideCause: toCause(override) }),
    epoch: whole(breaker.epoch),
    counts: {
      consecutiveFailures: counts.consecutiveFailures,
      consecutiveSuccesses: counts.consecutiveSuccesses,
      successes: whole(counts.successes),
      failures: whole(counts.failures),
      ignored: whole(counts.ignored),
      rejected: whole(counts.rejected),
      lateSuccesses: whole(counts.lateSuccesses),
      lateFailures: whole(counts.lateFailures),
      slow: whole(counts.slow),
      ...(window === undefined ? {} : { window: toWindow(window) }),
    },
    ...(retryAfterMs === undefined ? {} : { retryAfter: toDuration(retryAfterMs) }),
    transitionTime: toTimestamp(transition.time),
    transitionCause: toCause(transition),
    probes: breaker.probes,
    holds: breaker.holds.map(toHold),
    isolatedClients: mapFitting(breaker.isolatedClients, ISOLATED),
    reopenings: breaker.reopenings,
    revision: whole(resource.revision),
    etag: resource.etag,
    createTime: toTimestamp(resource.createTime),
    updateTime: toTimestamp(resource.updateTime),
  });
}

const ISOLATED = {
  toMessage: ({ clientId, ...isolation }: IsolatedClient) => ({ clientId, ...toIsolation(isolation) }),
  sizeOf: (client: object) => wireSize(IsolatedClientSchema, client),
};

const toOverride = (kind: OverrideKind | undefined): BreakerOverride => BreakerOverride[kind ?? "UNSPECIFIED"];

const toWindow = ({ calls, failures, slow }: { calls: number; failures: number; slow: number }) => ({
  calls: whole(calls),
  failures: whole(failures),
  slow: whole(slow),
});

const toHold = (hold: BreakerHold) => ({
  holdId: hold.id,
  override: BreakerOverride[hold.kind],
  cause: toCause(hold),
  createTime: toTimestamp(hold.time),
  ...(hold.expireTime === undefined ? {} : { expireTime: toTimestamp(hold.expireTime) }),
});

const toIsolation = ({ state, retryAfterMs }: Omit<IsolatedClient, "clientId">) => ({
  state: BreakerState[state],
  ...(retryAfterMs === undefined ? {} : { retryAfter: toDuration(retryAfterMs) }),
});

/** Validation has already refused UNSPECIFIED. */
export function fromOverride(override: BreakerOverride): OverrideKind {
  const kind = (Object.keys(BreakerOverride) as (keyof typeof BreakerOverride)[]).find(
    (name) => BreakerOverride[name] === override,
  );
  if (kind !== undefined && kind !== "UNSPECIFIED") return kind;
  throw invalid("override", `must be FORCED_OPEN, FORCED_CLOSED, DISABLED or METRICS_ONLY, but is ${override}`);
}

export function toPermit(permit: Permit): MessageInitShape<typeof AcquirePermitResponseSchema> {
  const [epoch, override] = [whole(permit.epoch), toOverride(permit.override)];
  if (permit.allowed) {
    const { leaseId = "" } = permit;
    const state = permit.leaseId === undefined ? BreakerState.CLOSED : BreakerState.HALF_OPEN;
    return { allowed: true, epoch, state, override, leaseId, isolated: false, retryAfter: undefined };
  }
  const { isolated = false, retryAfterMs } = permit;
  const retryAfter = retryAfterMs === undefined ? undefined : toDuration(retryAfterMs);
  return { allowed: false, epoch, state: BreakerState[permit.state], override, leaseId: "", isolated, retryAfter };
}

const OUTCOMES = { [Outcome.SUCCESS]: "SUCCESS", [Outcome.FAILURE]: "FAILURE", [Outcome.IGNORED]: "IGNORED" } as const;

export function fromReport({ name, epoch, leaseId, runs }: OutcomeReportMessage): OutcomeReport {
  return {
    name,
    epoch: Number(epoch),
    leaseId: leaseId === "" ? undefined : leaseId,
    runs: runs.map(({ outcome, count, slow }) => ({
      slow,
      outcome: OUTCOMES[outcome as keyof typeof OUTCOMES] ?? "IGNORED",
      count: count === 0 ? 1 : count,
    })),
  };
}

export function toReportResponse({
  duplicate,
  unknownNames,
  isolated,
}: ReportResult): MessageInitShape<typeof ReportOutcomesResponseSchema> {
  return {
    duplicate,
    unknownNames: [...unknownNames],
    isolated: isolated.map(({ name, ...isolation }) => ({ name, ...toIsolation(isolation) })),
  };
}

/** Changes of state that a simulation's answer lists; later ones are omitted. @limit transitions */
const MOST_TRANSITIONS = 1000;

const toCourse = (course: Course) => ({
  transitions: course.transitions
    .slice(0, MOST_TRANSITIONS)
    .map(({ at, action, state }) => ({ time: toTimestamp(at), action, state: BreakerState[state] })),
  openings: whole(course.openings),
  openDuration: toDuration(course.openMs),
  calls: whole(course.calls),
  rejected: whole(course.rejected),
  unknown: whole(course.unknown),
});

export function toSimulation({ from, to, config, actual, simulated }: Simulation): SimulateBreakerResponse {
  return make(SimulateBreakerResponseSchema, {
    startTime: toTimestamp(from),
    endTime: toTimestamp(to),
    config: toBreakerConfig(config),
    actual: toCourse(actual),
    simulated: toCourse(simulated),
  });
}
