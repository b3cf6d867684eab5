import type { Permit } from "../../../kernel/breakers/machine.ts";
import type { Clock } from "../../../kernel/clock.ts";
import { LONGEST_SPAN_MS, type SpanRange } from "../../../kernel/span.ts";
import { seconds } from "../../async/deadline.ts";
import { openError } from "../../breakers/handle.ts";
import type { Breakers } from "../../breakers/types.ts";
import { checkSpan } from "../../errors/check-span.ts";
import { HeliosError, isReason } from "../../errors/error.ts";
import type { Collection } from "../../store/collection.ts";
import type { Aftermath, Payload } from "../host/types/host.ts";
import { isSameMethod } from "../host/values/names.ts";
import { type Module, type ModuleRecord, moduleNotFound } from "../record/record.ts";
import type { CallChain } from "./chain.ts";
import type { Generation } from "./generation/generation.ts";
import type { Trial } from "./generation/trial.ts";
import { Lane } from "./lane.ts";
import type { Upcoming } from "./upcoming.ts";

/** What is left of a deadline may be less than nothing: the call is late then, not wrong. */
export const WHAT_IS_LEFT: SpanRange = { least: -LONGEST_SPAN_MS, mayBeInfinite: true };

export interface InvokeOptions {
  /** Ms until the caller gives up. The module's `call_timeout` holds too, whichever is sooner. */
  readonly timeoutMs?: number | undefined;
  /** Aborting it ends the call with its reason; the module sees it as an aborted `signal`. */
  readonly signal?: AbortSignal | undefined;
  /** During a canary, callers with the same key are answered by the same version. Default: by the one that serves. */
  readonly routingKey?: string | undefined;
  /**
   * Makes a repetition safe: calls of the same module with the same key, of at most 128 characters, are one call. Undefined
   * or empty: each is its own. See `Modules.invoke`.
   */
  readonly idempotencyKey?: string | undefined;
}

/** Is told on which side of its delivery a call is: what was given to a module may have had its effect. */
export interface Delivery {
  /** Before it is given to the module, unless the method is pure; the call waits for it, and fails as it does. */
  prepare(budgetMs: number): Promise<void>;
  /** The module has been given it. */
  done(): void;
  /** It failed for its caller, but may run on, or never have begun. */
  left(aftermath: Promise<Aftermath>): void;
}

export interface RoutedOptions extends Omit<InvokeOptions, "idempotencyKey"> {
  /** Of a call that a module makes to answer another. */
  readonly chain?: CallChain | undefined;
  readonly delivery?: Delivery | undefined;
  /** The trial that it is part of. It says nothing of a module that serves; what a candidate calls by it stays within. */
  readonly trial?: Trial | undefined;
}

/** What a call gave. */
export interface Answer {
  readonly output: Payload;
  /** Of the instance that answered. */
  readonly version: string;
  readonly generation: number;
  /** Waiting included. */
  readonly durationMs: number;
  /** The module that was called, or its fallback. */
  readonly answeredBy: string;
}

/** Sees calls that were answered. It is not waited for. */
export type Mirror = (method: string, input: Payload, output: Payload) => void;

/** The parts of the breakers that guard calls. */
export type CallGuard = Pick<Breakers, "acquire" | "record" | "release" | "getOrCreate">;

export interface Router {
  lane(name: string): Lane;
  /** Where its calls go now. */
  serving(name: string): Generation | undefined;
  /** Calls that somebody waits for. */
  inFlight(name: string): number;
  forget(name: string): void;
  /** Whether a method, in either spelling, has no effects: by the registration, or by the class that serves. */
  isPure(name: string, method: string): boolean;
  /** From now on calls of pure methods are shown to `mirror` once they are answered; undefined: to nobody. */
  mirror(name: string, mirror: Mirror | undefined): void;
  /** The error for a call of a module that takes no traffic: MODULE_STARTING or MODULE_CRASHED where it soon will. */
  notServing(module: Module): HeliosError;
  /** MODULE_CRASHED for a call that did not reach a generation which ended so. */
  crashed(name: string, description: string): HeliosError;
  /**
   * Calls a method. MODULE_NOT_FOUND, MODULE_NOT_LOADED, MODULE_STARTING, MODULE_OVERLOADED, BREAKER_OPEN, what the
   * instance rejects with, or the signal's reason.
   */
  invoke(name: string, method: string, input: Payload, options?: RoutedOptions): Promise<Answer>;
  /** Calls a method of one generation, whether or not it serves, past limits and breaker. */
  invokeIn(generation: Generation, method: string, input: Payload, options: RoutedOptions): Promise<Payload>;
  /** Refuses every call with SERVER_DRAINING from now on; those under way go on. */
  close(): void;
}

/** The name of a module's own breaker. */
export function breakerOf(module: string): string {
  return `module:${module}`;
}

/** Whether a method, in any spelling, is one without effects: by the registration, or by the class that runs. */
function isPureOf(
  { record }: Module,
  { running, instance }: Pick<Generation, "running" | "instance">,
  method: string,
): boolean {
  const { pureMethods = [] } = instance.shape;
  const isIt = (pure: string): boolean => isSameMethod(running.methods, pure, method);
  return record.registration.pureMethods.some(isIt) || pureMethods.some(isIt);
}

/** The error for a call of a module that takes no traffic. */
export function notLoaded({ name, record }: Module): HeliosError {
  return HeliosError.of("MODULE_NOT_LOADED", { name, state: record.lifecycle.state });
}

const draining = (): HeliosError => HeliosError.of("SERVER_DRAINING", {});

/** Failures that the module has to answer for; all other errors say nothing of it. */
const FAILURES = ["MODULE_METHOD_FAILED", "MODULE_DEADLINE_EXCEEDED", "MODULE_CRASHED"] as const;

/**
 * Time after which a caller should retry (`retry_after`) a call that failed because its version ended, while another
 * version serves. @limit ms
 */
const RETRY_ELSEWHERE_MS = 10;

/** One call on its way. */
interface Call {
  readonly module: Module;
  readonly to: Lane;
  readonly method: string;
  readonly input: Payload;
  readonly start: number;
  readonly budgetMs: number;
  /** Whether the caller waits as long as the module may take: else that it gave up says nothing of the module. */
  readonly isPatient: boolean;
  readonly permit: Permit;
  readonly options: RoutedOptions;
}

/** Brings each call to the generation that serves its module now, guarded by the module's breaker. */
export function createRouter(
  collection: Collection<ModuleRecord>,
  breakers: CallGuard,
  clock: Clock,
  upcoming: Upcoming,
): Router {
  const lanes = new Map<string, Lane>();
  const mirrors = new Map<string, Mirror>();
  let closed = false;

  const lane = (name: string): Lane => {
    const known = lanes.get(name);
    if (known !== undefined) return known;
    const fresh = new Lane(name, breakerOf(name), clock, {
      notServing: () => {
        const module = collection.get(name);
        return module === undefined ? moduleNotFound(name) : notServing(module);
      },
      crashed: (description) => crashed(name, description, false),
    });
    lanes.set(name, fresh);
    return fresh;
  };

  const isPure = (name: string, method: string): boolean => {
    const [module, generation] = [collection.get(name), lanes.get(name)?.generation];
    return module !== undefined && generation !== undefined && isPureOf(module, generation, method);
  };

  const crashed = (name: string, error: string, delivered: boolean, cause?: unknown): HeliosError => {
    const { generation, held = false } = lanes.get(name) ?? {};
    // Where calls are held another version is about to serve.
    const elsewhere = held || (generation !== undefined && generation.ending === undefined);
    const retryAfterMs = elsewhere ? RETRY_ELSEWHERE_MS : upcoming.retryAfterMs(name);
    const metadata = { name, error, delivered: String(delivered) };
    if (retryAfterMs === undefined) return HeliosError.of("MODULE_CRASHED", metadata, { cause });
    return HeliosError.of(
      "MODULE_CRASHED",
      { ...metadata, retry_after: seconds(retryAfterMs) },
      { cause, retryAfterMs },
    );
  };

  const notServing = (module: Module): HeliosError => {
    const { name, record } = module;
    const retryAfterMs = upcoming.retryAfterMs(name);
    if (retryAfterMs === undefined) return notLoaded(module);
    const { lifecycle } = record;
    const failure = "failure" in lifecycle ? lifecycle.failure : undefined;
    if (failure !== undefined) return crashed(name, failure.message, false);
    return HeliosError.of("MODULE_STARTING", { name, retry_after: seconds(retryAfterMs) }, { retryAfterMs });
  };

  const acquire = ({ name, breaker }: Lane): Permit | Promise<Permit> => {
    try {
      return breakers.acquire(breaker);
    } catch (error) {
      if (!isReason(error, "BREAKER_NOT_FOUND")) throw error;
      // Somebody deleted it; a module is never without.
      return breakers
        .getOrCreate(breaker, collection.get(name)?.record.registration.breaker)
        .then(() => breakers.acquire(breaker));
    }
  };

  const fallbackOf = ({ record }: Module): string | undefined => {
    const { fallbackModule } = record.registration;
    return fallbackModule !== "" && lanes.get(fallbackModule)?.generation !== undefined ? fallbackModule : undefined;
  };

  // Every call comes through here: no promise is made that is not needed.
  const invoke = (
    name: string,
    method: string,
    input: Payload,
    options: RoutedOptions,
    mayFallBack: boolean,
  ): Promise<Answer> => {
    const { timeoutMs = Number.POSITIVE_INFINITY, signal } = options;
    checkSpan("timeoutMs", timeoutMs, WHAT_IS_LEFT);
    if (closed) throw draining();
    const module = collection.get(name);
    if (module === undefined) throw moduleNotFound(name);
    signal?.throwIfAborted();
    const to = lane(name);
    if (to.generation === undefined) throw notServing(module);
    const start = clock.monotonic();
    const goOn = (permit: Permit): Promise<Answer> => {
      if (permit.allowed) {
        const { callTimeoutMs } = module.record.registration;
        const isPatient = timeoutMs >= callTimeoutMs;
        const budgetMs = isPatient ? callTimeoutMs : timeoutMs;
        return deliver({ module, to, method, input, start, budgetMs, isPatient, permit, options }, true);
      }
      const fallback = mayFallBack ? fallbackOf(module) : undefined;
      if (fallback === undefined) throw openError(to.breaker, permit);
      return invoke(fallback, method, input, options, false);
    };
    const acquired = acquire(to);
    return acquired instanceof Promise ? acquired.then(goOn) : goOn(acquired);
  };

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
      const mirror = mirrors.get(name);
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

  return {
    lane,
    notServing,
    crashed: (name, description) => crashed(name, description, false),
    serving: (name) => lanes.get(name)?.generation,
    inFlight: (name) => lanes.get(name)?.inFlight ?? 0,
    forget(name) {
      lanes.delete(name);
      mirrors.delete(name);
    },
    isPure,
    mirror(name, mirror) {
      if (mirror === undefined) mirrors.delete(name);
      else {
        mirrors.set(name, (method, input, output) => {
          if (isPure(name, method)) mirror(method, input, output);
        });
      }
    },
    invoke(name, method, input, options = {}) {
      try {
        return invoke(name, method, input, options, true);
      } catch (error) {
        return Promise.reject(error);
      }
    },
    async invokeIn(generation, method, input, { timeoutMs, signal, chain, trial }) {
      const { callTimeoutMs } = collection.get(generation.name)?.record.registration ?? { callTimeoutMs: 0 };
      const budgetMs = Math.min(timeoutMs ?? Number.POSITIVE_INFINITY, callTimeoutMs);
      // Its caller has left: what it would do now, nobody waits for.
      if (budgetMs <= 0) throw late(generation.name, method, budgetMs);
      const deadline = clock.monotonic() + budgetMs;
      const origin: CallChain = { generation, before: chain, deadline, cutShort: false, trial };
      generation.enter();
      try {
        return await generation.instance.invoke(method, input, { timeoutMs: budgetMs, signal, origin });
      } catch (error) {
        if (budgetMs < callTimeoutMs && isReason(error, "MODULE_DEADLINE_EXCEEDED")) cutShort(chain);
        throw error;
      } finally {
        generation.leave();
      }
    },
    close() {
      closed = true;
      for (const one of lanes.values()) one.close(draining);
    },
  };
}

function tooLate({ module, method, budgetMs }: Call): HeliosError {
  return late(module.name, method, budgetMs);
}

function late(name: string, method: string, budgetMs: number): HeliosError {
  return HeliosError.of("MODULE_DEADLINE_EXCEEDED", { name, method, timeout: seconds(Math.max(0, budgetMs)) });
}

/** Notes that a call nested in these ended because whoever made the first one gives up. */
function cutShort(chain: CallChain | undefined): void {
  for (let link = chain; link !== undefined; link = link.before) link.cutShort = true;
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
