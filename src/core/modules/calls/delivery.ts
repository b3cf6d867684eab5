import type { Permit } from "../../../kernel/breakers/machine.ts";
import type { Clock } from "../../../kernel/clock.ts";
import { HeliosError, isReason } from "../../errors/error.ts";
import { deadlineError } from "../host/types/deadline-error.ts";
import { type Answer, type Call, type CallGuard, isPureOf, type Mirror, markCutShort } from "./call.ts";
import type { CallChain } from "./chain.ts";
import type { Generation } from "./generation/generation.ts";

/** The errors that count as failures of the module. All others are ignored by its breaker. */
const FAILURES = ["MODULE_METHOD_FAILED", "MODULE_DEADLINE_EXCEEDED", "MODULE_CRASHED"] as const;

export interface DeliveryDeps {
  readonly breakers: CallGuard;
  readonly clock: Clock;
  /** The mirror of a module's calls. Undefined: its calls are not mirrored. */
  readonly mirrorOf: (name: string) => Mirror | undefined;
  /** MODULE_CRASHED for a call of a module. `error` describes how the instance ended. */
  readonly crashed: (name: string, error: string, delivered: boolean, cause?: unknown) => HeliosError;
}

/** Returns a function that gives a permitted call to the generation that serves, and records its outcome at the breaker. */
export function createDelivery({ breakers, clock, mirrorOf, crashed }: DeliveryDeps): (call: Call) => Promise<Answer> {
  /** Keeps the place of a failed call while its method still runs. Calls `overdue` if it runs for the whole `call_timeout`. */
  const linger = (
    { module, lane, start, options }: Call,
    generation: Generation,
    origin: CallChain,
    overdue: () => void,
  ): void => {
    const ended = generation.instance.aftermath(origin);
    if (ended === undefined) return;
    options.delivery?.unfinished(ended);
    const { callTimeoutMs } = module.record.registration;
    lane.linger(generation, ended, callTimeoutMs - (clock.monotonic() - start), overdue);
  };

  /** `mayRepeat`: if the generation ends during a call of a pure method, the method is called once more. */
  const deliver = async (call: Call, mayRepeat: boolean): Promise<Answer> => {
    const { module, lane, method, input, start, budgetMs, isPatient, permit } = call;
    const { name } = module;
    const { signal, chain, delivery, trial, routingKey = "" } = call.options;
    const entered = enter(call);
    const generation = entered instanceof Promise ? await entered : entered;
    const canary = routingKey === "" ? undefined : lane.canary;
    const record = (outcome: "SUCCESS" | "FAILURE" | "IGNORED", counted: Permit = permit): number => {
      const durationMs = clock.monotonic() - start;
      // A failure of a replaced version must not make the breaker reject calls to its successor.
      const replaced = generation.isRetired;
      // Calls of a test do not count either, because a test may send wrong input on purpose.
      const recorded = trial !== undefined || (replaced && outcome === "FAILURE") ? "IGNORED" : outcome;
      breakers.record(lane.breaker, counted, recorded, durationMs);
      if (trial === undefined && outcome !== "IGNORED") {
        generation.gauge.record(outcome === "FAILURE", durationMs);
        canary?.saw(generation, outcome === "FAILURE", durationMs);
      }
      return durationMs;
    };
    const origin: CallChain = { generation, before: chain, deadline: start + budgetMs, cutShort: false };
    try {
      if (delivery !== undefined && !isPureOf(module, generation, method)) await delivery.prepare(budgetMs);
      const leftMs = budgetMs - (clock.monotonic() - start);
      if (leftMs <= 0) throw deadlineErrorOf(call);
      const onDelivered = delivery?.done;
      const output = await generation.instance.invoke(method, input, {
        timeoutMs: leftMs,
        signal,
        origin,
        onDelivered,
      });
      const durationMs = record("SUCCESS");
      const { version } = generation.running;
      const mirror = mirrorOf(name);
      if (mirror !== undefined && generation === lane.generation) mirror(method, input, output);
      return { output, version, generation: generation.number, durationMs, answeredBy: name };
    } catch (error) {
      const failed = isFailure(error) && !isCausedByCaller(error, call, origin);
      // A method that hangs is a failure of the module, even if its caller stopped waiting long before. The lease of a
      // probe has ended by then, so that the failure is recorded without it.
      const hangs = (): void => void record("FAILURE", { allowed: true, epoch: permit.epoch });
      linger(call, generation, origin, failed ? () => {} : hangs);
      const ended = isReason(error, "MODULE_CRASHED") && mayRepeat && isPureOf(module, generation, method);
      if (ended && lane.generation !== generation && lane.generation !== undefined) return await deliver(call, false);
      if (!isPatient && isReason(error, "MODULE_DEADLINE_EXCEEDED")) markCutShort(chain);
      record(failed ? "FAILURE" : "IGNORED");
      const { delivered = "true", error: ending = "" } = isReason(error, "MODULE_CRASHED") ? error.metadata : {};
      throw ending === "" ? error : crashed(name, ending, delivered === "true", error);
    } finally {
      lane.leave(generation);
    }
  };

  const enter = (call: Call): Generation | Promise<Generation> => {
    const { lane, start, budgetMs, options } = call;
    const { signal, routingKey = "", chain } = options;
    const fail = (error: unknown): never => {
      // The method never started. It counts as a failure of the module only if the call waited for the whole
      // `call_timeout`, and not because of a swap.
      const isLate = budgetMs > 0 && isReason(error, "MODULE_DEADLINE_EXCEEDED");
      if (isLate && !call.isPatient) markCutShort(chain);
      if (signal?.aborted || (isLate && !call.isPatient)) breakers.record(lane.breaker, call.permit, "IGNORED");
      else if (isLate && !lane.held) breakers.record(lane.breaker, call.permit, "FAILURE");
      else breakers.release(lane.breaker, call.permit);
      throw error;
    };
    try {
      const timeoutMs = budgetMs - (clock.monotonic() - start);
      if (timeoutMs <= 0) throw deadlineErrorOf(call);
      const entered = lane.enter({ timeoutMs, late: () => deadlineErrorOf(call), signal, key: routingKey, chain });
      return entered instanceof Promise ? entered.catch(fail) : entered;
    } catch (error) {
      return fail(error);
    }
  };

  return (call) => deliver(call, true);
}

function deadlineErrorOf({ module, method, budgetMs }: Call): HeliosError {
  return deadlineError(module.name, method, budgetMs);
}

/** Whether a call failed because its caller stopped waiting. Such a failure does not count against the module. */
function isCausedByCaller(error: unknown, { isPatient, options }: Call, { cutShort }: CallChain): boolean {
  if (options.signal?.aborted && error === options.signal.reason) return true;
  return !isPatient && (cutShort || isReason(error, "MODULE_DEADLINE_EXCEEDED"));
}

function isFailure(error: unknown): boolean {
  if (!(error instanceof HeliosError) || error.metadata.caller_fault === "true") return false;
  return FAILURES.some((reason) => reason === error.reason);
}
