import type { Permit } from "../breakers/breaker.ts";
import type { Breakers } from "../breakers/breakers.ts";
import { openError } from "../breakers/handle.ts";
import type { Clock } from "../clock.ts";
import { HeliosError, isReason } from "../errors.ts";
import type { Collection } from "../store/collection.ts";
import { seconds } from "./deadline.ts";
import type { Generation } from "./generation.ts";
import type { Payload } from "./host/host.ts";
import { Lane } from "./lane.ts";
import { type Module, type ModuleRecord, moduleNotFound } from "./record.ts";

export interface InvokeOptions {
  /** Ms until the caller gives up. The module's `call_timeout` holds too, whichever is sooner. */
  readonly timeoutMs?: number | undefined;
  /** Aborting it ends the call with its reason; the module sees it as an aborted `signal`. */
  readonly signal?: AbortSignal | undefined;
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

/** The parts of the breakers that guard calls. */
export type CallGuard = Pick<Breakers, "acquire" | "record" | "release" | "getOrCreate">;

export interface Router {
  lane(name: string): Lane;
  /** Calls under way. */
  inFlight(name: string): number;
  forget(name: string): void;
  /**
   * Calls a method. MODULE_NOT_FOUND, MODULE_NOT_LOADED, MODULE_OVERLOADED, BREAKER_OPEN, what the instance rejects with,
   * or the signal's reason.
   */
  invoke(name: string, method: string, input: Payload, options?: InvokeOptions): Promise<Answer>;
  /** Refuses every call with SERVER_DRAINING from now on; those under way go on. */
  close(): void;
}

/** The name of a module's own breaker. */
export function breakerOf(module: string): string {
  return `module:${module}`;
}

/** The error for a call of a module that takes no traffic. */
export function notLoaded({ name, record }: Module): HeliosError {
  return HeliosError.of("MODULE_NOT_LOADED", { name, state: record.lifecycle.state });
}

const draining = (): HeliosError => HeliosError.of("SERVER_DRAINING", {});

/** Failures that the module has to answer for; all other errors say nothing of it. */
const FAILURES = ["MODULE_METHOD_FAILED", "MODULE_DEADLINE_EXCEEDED", "MODULE_CRASHED"] as const;

/** Brings each call to the generation that serves its module now, guarded by the module's breaker. */
export function createRouter(collection: Collection<ModuleRecord>, breakers: CallGuard, clock: Clock): Router {
  const lanes = new Map<string, Lane>();
  let closed = false;

  const lane = (name: string): Lane => {
    const known = lanes.get(name);
    if (known !== undefined) return known;
    const fresh = new Lane(name, clock, () => {
      const module = collection.get(name);
      return module === undefined ? moduleNotFound(name) : notLoaded(module);
    });
    lanes.set(name, fresh);
    return fresh;
  };

  const acquire = async (name: string): Promise<Permit> => {
    try {
      return breakers.acquire(breakerOf(name));
    } catch (error) {
      if (!isReason(error, "BREAKER_NOT_FOUND")) throw error;
      // Somebody deleted it; a module is never without.
      await breakers.getOrCreate(breakerOf(name), collection.get(name)?.record.registration.breaker);
      return breakers.acquire(breakerOf(name));
    }
  };

  const fallbackOf = ({ record }: Module): string | undefined => {
    const { fallbackModule } = record.registration;
    return fallbackModule !== "" && lanes.get(fallbackModule)?.generation !== undefined ? fallbackModule : undefined;
  };

  const invoke = async (
    name: string,
    method: string,
    input: Payload,
    { timeoutMs = Number.POSITIVE_INFINITY, signal }: InvokeOptions,
    mayFallBack: boolean,
  ): Promise<Answer> => {
    if (Number.isNaN(timeoutMs)) throw HeliosError.of("ARGUMENT_INVALID", { field: "timeoutMs", problem: "is NaN" });
    if (closed) throw draining();
    const module = collection.get(name);
    if (module === undefined) throw moduleNotFound(name);
    signal?.throwIfAborted();
    if (lane(name).generation === undefined) throw notLoaded(module);
    const start = clock.monotonic();
    const permit = await acquire(name);
    if (!permit.allowed) {
      const fallback = mayFallBack ? fallbackOf(module) : undefined;
      if (fallback === undefined) throw openError(breakerOf(name), permit);
      return invoke(fallback, method, input, { timeoutMs, signal }, false);
    }
    const budgetMs = Math.min(timeoutMs, module.record.registration.callTimeoutMs);
    const leftMs = (): number => budgetMs - (clock.monotonic() - start);
    const late = (): HeliosError =>
      HeliosError.of("MODULE_DEADLINE_EXCEEDED", { name, method, timeout: seconds(budgetMs) });
    const to = lane(name);
    const generation = await enter(to, permit, { name, budgetMs, late, signal });
    try {
      if (leftMs() <= 0) throw late();
      const options = { timeoutMs: leftMs(), ...(signal === undefined ? {} : { signal }) };
      const output = await generation.instance.invoke(method, input, options);
      breakers.record(breakerOf(name), permit, "SUCCESS");
      const { version } = generation.running;
      const durationMs = clock.monotonic() - start;
      return { output, version, generation: generation.number, durationMs, answeredBy: name };
    } catch (error) {
      breakers.record(breakerOf(name), permit, isFailure(error) ? "FAILURE" : "IGNORED");
      throw error;
    } finally {
      to.leave(generation);
    }
  };

  const enter = async (to: Lane, permit: Permit, call: Entering): Promise<Generation> => {
    const { name, budgetMs, late, signal } = call;
    try {
      if (budgetMs <= 0) throw late();
      return await to.enter({ timeoutMs: budgetMs, late, signal });
    } catch (error) {
      // It never started. Only that it waited too long tells something of the module, unless a swap held it.
      const tooLong = budgetMs > 0 && !to.held && isReason(error, "MODULE_DEADLINE_EXCEEDED");
      if (tooLong) breakers.record(breakerOf(name), permit, "FAILURE");
      else if (signal?.aborted) breakers.record(breakerOf(name), permit, "IGNORED");
      else breakers.release(breakerOf(name), permit);
      throw error;
    }
  };

  return {
    lane,
    inFlight: (name) => lanes.get(name)?.inFlight ?? 0,
    forget: (name) => lanes.delete(name),
    invoke: (name, method, input, options = {}) => invoke(name, method, input, options, true),
    close() {
      closed = true;
      for (const one of lanes.values()) one.close(draining);
    },
  };
}

interface Entering {
  readonly name: string;
  /** From the arrival of the call on. */
  readonly budgetMs: number;
  readonly late: () => HeliosError;
  readonly signal: AbortSignal | undefined;
}

function isFailure(error: unknown): boolean {
  if (!(error instanceof HeliosError) || error.metadata.caller_fault === "true") return false;
  return FAILURES.some((reason) => reason === error.reason);
}
