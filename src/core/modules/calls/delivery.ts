import type { Permit } from "../../../kernel/breakers/machine.ts";
import type { Clock } from "../../../kernel/clock.ts";
import { HeliosError, isReason } from "../../errors/error.ts";
import { type Answer, type Call, type CallGuard, cutShort, isPureOf, late, type Mirror } from "./call.ts";
import type { CallChain } from "./chain.ts";
import type { Generation } from "./generation/generation.ts";

/** Failures that the module has to answer for; all other errors say nothing of it. */
const FAILURES = ["MODULE_METHOD_FAILED", "MODULE_DEADLINE_EXCEEDED", "MODULE_CRASHED"] as const;

export interface DeliveryDeps {
  readonly breakers: CallGuard;
  readonly clock: Clock;
  /** Sees the answers of the module's calls; undefined: nobody does. */
  readonly mirrorOf: (name: string) => Mirror | undefined;
  /** MODULE_CRASHED for a call of a module whose instance has ended so. */
  readonly crashed: (name: string, error: string, delivered: boolean, cause?: unknown) => HeliosError;
}

/** Gives a call that has a permit to the generation that serves, and reports to the breaker how it went. */
export function createDelivery({ breakers, clock, mirrorOf, crashed }: DeliveryDeps): (call: Call) => Promise<Answer> {
  /** The method of a call that failed for its caller may run on; `overdue`: it ran for as long as a call may take. */
  const linger = (
    { module, to, start, options }: Call,
    generation: Generation,
    origin: CallChain,
    overdue: () => void,
  ): void => {
    const ended = generation.instance.aftermath(origin);
    if (ended === undefined) return;
    options.delivery?.left(ended);
    const { callTimeoutMs } = module.record.registration;
    to.linger(generation, ended, callTimeoutMs - (clock.monotonic() - start), overdue);
  };

  /** `mayRepeat`: a pure method whose generation ends under it is called once more. */
  const deliver = async (call: Call, mayRepeat: boolean): Promise<Answer> => {
    const { module, to, method, input, start, budgetMs, isPatient, permit } = call;
    const { name } = module;
    const { signal, chain, delivery, trial, routingKey = "" } = call.options;
    const entered = enter(call);
    const generation = entered instanceof Promise ? await entered : entered;
    const canary = routingKey === "" ? undefined : to.canary;
    const record = (outcome: "SUCCESS" | "FAILURE" | "IGNORED", counted: Permit = permit): number => {
      const durationMs = clock.monotonic() - start;
      // What goes wrong in a version that another has replaced must not keep callers from that.
      const replaced = generation.isRetired;
      // Nor must what a test asks, which may be wrong on purpose.
      const says = trial !== undefined || (replaced && outcome === "FAILURE") ? "IGNORED" : outcome;
      breakers.record(to.breaker, counted, says, durationMs);
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
      if (leftMs <= 0) throw tooLate(call);
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
      if (mirror !== undefined && generation === to.generation) mirror(method, input, output);
      return { output, version, generation: generation.number, durationMs, answeredBy: name };
    } catch (error) {
      const failed = isFailure(error) && !saysNothing(error, call, origin);
      // That its caller left says nothing of the module; that it hangs does, also where no caller waits to see it. The
      // probe that the call may have been is over.
      const hangs = (): void => void record("FAILURE", { allowed: true, epoch: permit.epoch });
      linger(call, generation, origin, failed ? () => {} : hangs);
      const ended = isReason(error, "MODULE_CRASHED") && mayRepeat && isPureOf(module, generation, method);
      if (ended && to.generation !== generation && to.generation !== undefined) return await deliver(call, false);
      if (!isPatient && isReason(error, "MODULE_DEADLINE_EXCEEDED")) cutShort(chain);
      record(failed ? "FAILURE" : "IGNORED");
      const { delivered = "true", error: how = "" } = isReason(error, "MODULE_CRASHED") ? error.metadata : {};
      throw how === "" ? error : crashed(name, how, delivered === "true", error);
    } finally {
      to.leave(generation);
    }
  };

  const enter = (call: Call): Generation | Promise<Generation> => {
    const { to, start, budgetMs, options } = call;
    const { signal, routingKey = "", chain } = options;
    const refused = (error: unknown): never => {
      // It never started. Only that it waited as long as a call may take tells something of the module, unless a swap
      // held it.
      const isLate = budgetMs > 0 && isReason(error, "MODULE_DEADLINE_EXCEEDED");
      if (isLate && !call.isPatient) cutShort(chain);
      if (signal?.aborted || (isLate && !call.isPatient)) breakers.record(to.breaker, call.permit, "IGNORED");
      else if (isLate && !to.held) breakers.record(to.breaker, call.permit, "FAILURE");
      else breakers.release(to.breaker, call.permit);
      throw error;
    };
    try {
      const timeoutMs = budgetMs - (clock.monotonic() - start);
      if (timeoutMs <= 0) throw tooLate(call);
      const entered = to.enter({ timeoutMs, late: () => tooLate(call), signal, key: routingKey, chain });
      return entered instanceof Promise ? entered.catch(refused) : entered;
    } catch (error) {
      return refused(error);
    }
  };

  return (call) => deliver(call, true);
}

function tooLate({ module, method, budgetMs }: Call): HeliosError {
  return late(module.name, method, budgetMs);
}

/** Whether a failure comes of the caller's leaving, and tells nothing of the module. */
function saysNothing(error: unknown, { isPatient, options }: Call, { cutShort }: CallChain): boolean {
  if (options.signal?.aborted && error === options.signal.reason) return true;
  return !isPatient && (cutShort || isReason(error, "MODULE_DEADLINE_EXCEEDED"));
}

function isFailure(error: unknown): boolean {
  if (!(error instanceof HeliosError) || error.metadata.caller_fault === "true") return false;
  return FAILURES.some((reason) => reason === error.reason);
}
