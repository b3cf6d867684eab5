import type { Outcome, Permit } from "../../../kernel/breakers/machine.ts";
import type { Clock } from "../../../kernel/clock.ts";
import { HeliosError, isReason } from "../../errors/error.ts";
import { deadlineError } from "../host/types/deadline-error.ts";
import type { Payload } from "../host/types/host.ts";
import { type Answer, type Call, type CallGuard, isPureOf, type Mirror, markCutShort } from "./call.ts";
import type { CallChain } from "./chain.ts";
import type { Generation } from "./generation/generation.ts";
import type { Canary } from "./lane.ts";

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

/** Delivers a permitted call. `hasWaited`: time has passed since the call's start. Throws, or the promise rejects. */
export type Deliver = (call: Call, hasWaited: boolean) => Promise<Answer>;

/** A call and the generation that answers it. */
interface Attempt {
  readonly call: Call;
  readonly generation: Generation;
  readonly canary: Canary | undefined;
  readonly origin: CallChain;
  /** If the generation ends during a call of a pure method, the method is called once more. */
  readonly mayRepeat: boolean;
}

/**
 * Returns a function that gives a permitted call to the generation that serves, and records its outcome at the breaker. Every
 * call runs this code. So it reads the clock only where time may have passed, and has no async functions.
 */
export function createDelivery({ breakers, clock, mirrorOf, crashed }: DeliveryDeps): Deliver {
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

  /** Records the end of a call at its breaker, its generation and its canary. Returns how long it took. */
  const record = (attempt: Attempt, outcome: Outcome, counted: Permit = attempt.call.permit): number => {
    const { call, generation, canary } = attempt;
    const now = clock.monotonic();
    const durationMs = now - call.start;
    const isTrial = call.options.trial !== undefined;
    // A failure of a replaced version must not make the breaker reject calls to its successor.
    const replaced = generation.isRetired;
    // Calls of a test do not count either, because a test may send wrong input on purpose.
    const recorded = isTrial || (replaced && outcome === "FAILURE") ? "IGNORED" : outcome;
    breakers.record(call.lane.breaker, counted, recorded, durationMs, now);
    if (!isTrial && outcome !== "IGNORED") {
      generation.gauge.record(outcome === "FAILURE", durationMs);
      canary?.saw(generation, outcome === "FAILURE", durationMs);
    }
    return durationMs;
  };

  const succeed = (attempt: Attempt, output: Payload): Answer => {
    const { call, generation } = attempt;
    const { lane, module, method, input } = call;
    const durationMs = record(attempt, "SUCCESS");
    const mirror = mirrorOf(module.name);
    if (mirror !== undefined && generation === lane.generation) mirror(method, input, output);
    const { version, generation: number } = generation.running;
    return { output, version, generation: number, durationMs, answeredBy: module.name };
  };

  /** Throws the error for the caller, or repeats the call. */
  const fail = (attempt: Attempt, error: unknown): Promise<Answer> => {
    const { call, generation, origin, mayRepeat } = attempt;
    const { module, lane, method, isPatient, permit, options } = call;
    const failed = isFailure(error) && !isCausedByCaller(error, call, origin);
    // A method that hangs is a failure of the module, even if its caller stopped waiting long before. The lease of a
    // probe has ended by then, so that the failure is recorded without it.
    const hangs = (): void => void record(attempt, "FAILURE", { allowed: true, epoch: permit.epoch });
    linger(call, generation, origin, failed ? () => {} : hangs);
    const ended = isReason(error, "MODULE_CRASHED") && mayRepeat && isPureOf(module, generation, method);
    if (ended && lane.generation !== generation && lane.generation !== undefined) return deliver(call, false, true);
    if (!isPatient && isReason(error, "MODULE_DEADLINE_EXCEEDED")) markCutShort(options.chain);
    record(attempt, failed ? "FAILURE" : "IGNORED");
    // The nested call has the same deadline, and its timer may be the first.
    const isOverdue = origin.cutShort && clock.monotonic() >= origin.deadline - TIMER_ROUNDING_MS;
    if (isOverdue && isReason(error, "MODULE_METHOD_FAILED")) throw deadlineErrorOf(call);
    const { delivered = "true", error: ending = "" } = isReason(error, "MODULE_CRASHED") ? error.metadata : {};
    throw ending === "" ? error : crashed(module.name, ending, delivered === "true", error);
  };

  const send = ({ call, generation, origin }: Attempt, hasWaited: boolean): Promise<Payload> => {
    const { method, input, start, budgetMs, options } = call;
    const now = hasWaited ? clock.monotonic() : start;
    const timeoutMs = budgetMs - (now - start);
    if (timeoutMs <= 0) throw deadlineErrorOf(call);
    const { signal, delivery } = options;
    return generation.instance.invoke(method, input, { timeoutMs, now, signal, origin, onDelivered: delivery?.done });
  };

  const run = (call: Call, generation: Generation, mayRepeat: boolean, hasWaited: boolean): Promise<Answer> => {
    const { module, lane, method, start, budgetMs, options } = call;
    const { chain, delivery, routingKey = "" } = options;
    const origin: CallChain = { generation, before: chain, deadline: start + budgetMs, cutShort: false };
    const canary = routingKey === "" ? undefined : lane.canary;
    const attempt: Attempt = { call, generation, canary, origin, mayRepeat };
    const failed = (error: unknown): Promise<Answer> => {
      let repeated: Promise<Answer>;
      try {
        repeated = fail(attempt, error);
      } catch (thrown) {
        lane.leave(generation);
        throw thrown;
      }
      return repeated.finally(() => lane.leave(generation));
    };
    const succeeded = (output: Payload): Answer | Promise<Answer> => {
      try {
        const answer = succeed(attempt, output);
        lane.leave(generation);
        return answer;
      } catch (thrown) {
        return failed(thrown);
      }
    };
    try {
      const isPrepared = delivery === undefined || isPureOf(module, generation, method);
      const sent = isPrepared ? send(attempt, hasWaited) : delivery.prepare(budgetMs).then(() => send(attempt, true));
      return sent.then(succeeded, failed);
    } catch (thrown) {
      return failed(thrown);
    }
  };

  /** Ends a call that no generation has taken. */
  const refuse = (call: Call, error: unknown): never => {
    const { lane, budgetMs, isPatient, permit, options } = call;
    // The method never started. It counts as a failure of the module only if the call waited for the whole `call_timeout`,
    // and not because of a swap.
    const isLate = budgetMs > 0 && isReason(error, "MODULE_DEADLINE_EXCEEDED");
    if (isLate && !isPatient) markCutShort(options.chain);
    if (options.signal?.aborted || (isLate && !isPatient)) breakers.record(lane.breaker, permit, "IGNORED");
    else if (isLate && !lane.held) breakers.record(lane.breaker, permit, "FAILURE");
    else breakers.release(lane.breaker, permit);
    throw error;
  };

  const enter = (call: Call, hasWaited: boolean): Generation | Promise<Generation> => {
    const { lane, start, budgetMs, options } = call;
    const { signal, routingKey: key = "", chain } = options;
    const timeoutMs = hasWaited ? budgetMs - (clock.monotonic() - start) : budgetMs;
    try {
      if (timeoutMs <= 0) throw deadlineErrorOf(call);
      const free = lane.enterFree(key);
      if (free !== undefined) return free;
      const entered = lane.enter({ timeoutMs, late: () => deadlineErrorOf(call), signal, key, chain });
      return entered instanceof Promise ? entered.catch((error: unknown) => refuse(call, error)) : entered;
    } catch (error) {
      return refuse(call, error);
    }
  };

  const deliver = (call: Call, mayRepeat: boolean, hasWaited: boolean): Promise<Answer> => {
    const entered = enter(call, hasWaited);
    if (entered instanceof Promise) return entered.then((generation) => run(call, generation, mayRepeat, true));
    return run(call, entered, mayRepeat, hasWaited);
  };

  return (call, hasWaited) => deliver(call, true, hasWaited);
}

/** Timers of the platform may fire so much early, because it counts whole milliseconds. */
const TIMER_ROUNDING_MS = 1;

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
