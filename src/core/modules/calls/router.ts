import type { Permit } from "../../../kernel/breakers/machine.ts";
import type { Clock } from "../../../kernel/clock.ts";
import { seconds } from "../../async/deadline.ts";
import { acquireOrCreate } from "../../breakers/acquire.ts";
import { openError } from "../../breakers/handle.ts";
import { checkSpan } from "../../errors/check-span.ts";
import { HeliosError, isReason } from "../../errors/error.ts";
import type { Collection } from "../../store/collection.ts";
import { deadlineError } from "../host/types/deadline-error.ts";
import type { Payload } from "../host/types/host.ts";
import { type Module, type ModuleRecord, moduleNotFound } from "../record/record.ts";
import {
  type Answer,
  breakerOf,
  type CallGuard,
  isPureOf,
  type Mirror,
  markCutShort,
  REMAINING_TIME,
  type RoutedOptions,
} from "./call.ts";
import type { CallChain } from "./chain.ts";
import { createDelivery } from "./delivery.ts";
import type { Generation } from "./generation/generation.ts";
import { Lane } from "./lane.ts";
import type { Upcoming } from "./upcoming.ts";

export interface Router {
  lane(name: string): Lane;
  /** The generation that the module's calls go to now. Undefined: the module takes no calls. */
  serving(name: string): Generation | undefined;
  /** The number of the module's calls that a caller waits for. */
  inFlight(name: string): number;
  /** Deletes the lane and the mirror of a deleted module. */
  forget(name: string): void;
  /** Whether the registration or the serving class declares a method, in either spelling, as free of effects. */
  isPure(name: string, method: string): boolean;
  /** Passes each answered call of a pure method to `mirror` from now on. Undefined: stops mirroring. */
  mirror(name: string, mirror: Mirror | undefined): void;
  /** The error for a call of a module that takes no calls. MODULE_STARTING or MODULE_CRASHED if a start is expected. */
  notServing(module: Module): HeliosError;
  /** MODULE_CRASHED for a call that did not reach the module. `description` says how the generation ended. */
  crashed(name: string, description: string): HeliosError;
  /**
   * Calls a method of the generation that serves. Rejects with MODULE_NOT_FOUND, MODULE_NOT_LOADED, MODULE_STARTING,
   * MODULE_OVERLOADED, BREAKER_OPEN, SERVER_DRAINING, the errors of `Instance.invoke`, or the signal's reason.
   */
  invoke(name: string, method: string, input: Payload, options?: RoutedOptions): Promise<Answer>;
  /** Calls a method of the given generation, even if it does not serve. Neither the lane nor the breaker limits the call. */
  invokeIn(generation: Generation, method: string, input: Payload, options: RoutedOptions): Promise<Payload>;
  /** Refuses new and waiting calls with SERVER_DRAINING from now on. Calls that run continue. */
  close(): void;
}

/** Returns MODULE_NOT_LOADED, with the module's state. */
export function notLoaded({ name, record }: Module): HeliosError {
  return HeliosError.of("MODULE_NOT_LOADED", { name, state: record.lifecycle.state });
}

const draining = (): HeliosError => HeliosError.of("SERVER_DRAINING", {});

/**
 * Time after which a caller should retry (`retry_after`) a call that failed because its version ended, while another
 * version serves. @limit ms
 */
const RETRY_ELSEWHERE_MS = 10;

/** Creates the router, which sends each call to the generation that serves, if the module's breaker permits it. */
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
    // While a swap holds calls, a version is about to serve, whether or not this one has ended.
    const willServe = held || (generation !== undefined && generation.ending === undefined);
    const retryAfterMs = willServe ? RETRY_ELSEWHERE_MS : upcoming.retryAfterMs(name);
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

  const fallbackOf = ({ record }: Module): string | undefined => {
    const { fallbackModule } = record.registration;
    return fallbackModule !== "" && lanes.get(fallbackModule)?.generation !== undefined ? fallbackModule : undefined;
  };

  const deliver = createDelivery({ breakers, clock, mirrorOf: (name) => mirrors.get(name), crashed });

  // Every call runs this code, so that it creates no promise that it can avoid.
  const invoke = (
    name: string,
    method: string,
    input: Payload,
    options: RoutedOptions,
    mayFallBack: boolean,
  ): Promise<Answer> => {
    const { timeoutMs = Number.POSITIVE_INFINITY, signal } = options;
    checkSpan("timeoutMs", timeoutMs, REMAINING_TIME);
    if (closed) throw draining();
    const module = collection.get(name);
    if (module === undefined) throw moduleNotFound(name);
    signal?.throwIfAborted();
    const route = lane(name);
    if (route.generation === undefined) throw notServing(module);
    const start = clock.monotonic();
    const proceed = (permit: Permit, hasWaited: boolean): Promise<Answer> => {
      if (permit.allowed) {
        const { callTimeoutMs } = module.record.registration;
        const isPatient = timeoutMs >= callTimeoutMs;
        const budgetMs = isPatient ? callTimeoutMs : timeoutMs;
        const call = { module, lane: route, method, input, start, budgetMs, isPatient, permit, options };
        return deliver(call, hasWaited);
      }
      const fallback = mayFallBack ? fallbackOf(module) : undefined;
      if (fallback === undefined) throw openError(route.breaker, permit);
      return invoke(fallback, method, input, options, false);
    };
    // A module always has a breaker, so that one that was deleted is created again.
    const acquired = acquireOrCreate(breakers, route.breaker, module.record.registration.breaker);
    return acquired instanceof Promise ? acquired.then((permit) => proceed(permit, true)) : proceed(acquired, false);
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
      // The caller has stopped waiting, so that the module need not run the method.
      if (budgetMs <= 0) throw deadlineError(generation.name, method, budgetMs);
      const now = clock.monotonic();
      const origin: CallChain = { generation, before: chain, deadline: now + budgetMs, cutShort: false, trial };
      generation.enter();
      try {
        return await generation.instance.invoke(method, input, { timeoutMs: budgetMs, now, signal, origin });
      } catch (error) {
        if (budgetMs < callTimeoutMs && isReason(error, "MODULE_DEADLINE_EXCEEDED")) markCutShort(chain);
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
