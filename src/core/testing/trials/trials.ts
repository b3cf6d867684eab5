import { type Joined, joined, onAbort } from "../../../kernel/async/signal.ts";
import type { Clock, Timer } from "../../../kernel/clock.ts";
import { type By, causeOf } from "../../change.ts";
import { checkSpan } from "../../errors/check-span.ts";
import { HeliosError, isReason } from "../../errors/error.ts";
import { invalid } from "../../errors/invalid.ts";
import type { Log } from "../../log.ts";
import { type Answer, REMAINING_TIME } from "../../modules/calls/call.ts";
import { trialCall } from "../../modules/calls/chain.ts";
import { deadlineError } from "../../modules/host/types/deadline-error.ts";
import { onEnd } from "../../modules/host/types/ended.ts";
import type { Payload } from "../../modules/host/types/host.ts";
import { moduleNotFound } from "../../modules/record/record.ts";
import { withDefaults } from "../../modules/record/registration.ts";
import type { TestedInstance } from "../../modules/swap/steps/gate.ts";
import type { Modules } from "../../modules/types.ts";
import { STOP_TIMEOUT_MS } from "../runs/attempt.ts";
import { unlessCancelled } from "../runs/unless-cancelled.ts";
import { layerOf, type TestTrial } from "../stand-ins/trial.ts";
import { namedBy, type TestTrials } from "../stand-ins/trials.ts";
import { crashed, EndedTrials } from "./ended-trials.ts";
import {
  DEFAULT_TTL_MS,
  MAX_TTL_MS,
  TRIALS_AT_ONCE,
  type TrialCallOptions,
  type TrialCode,
  type TrialInstance,
  type TrialOptions,
} from "./trial-instance.ts";

/** The instances that are started for the tests of clients. `Testing` describes the methods. */
export interface Trials {
  open(name: string, options: TrialOptions, by: By | undefined): Promise<TrialInstance>;
  close(id: string): Promise<TrialInstance>;
  invoke(id: string, method: string, input: Payload, options: TrialCallOptions): Promise<Answer>;
  /** A trial that is open, or one of the last that have ended. Throws TRIAL_NOT_FOUND. */
  known(id: string): TrialCode;
  /** Ends and forgets the trials of a module. Resolves when their instances have ended. */
  forgetModule(name: string): Promise<void>;
  /** Ends all trials, and refuses new ones. */
  end(): Promise<void>;
}

export interface TrialsDeps {
  readonly modules: Pick<Modules, "get" | "startFresh">;
  readonly standIns: Pick<TestTrials, "check" | "start" | "checkUnregistered" | "startUnregistered">;
  readonly clock: Clock;
  readonly newId: () => string;
  readonly log: Log;
}

/** A place for a trial, from its first process to the end of its last. */
interface Place {
  readonly module: string;
  /** Aborted when the trial ends, or its start is cancelled. The reason is the error of the calls in progress. */
  readonly over: Joined;
  readonly freed: Promise<void>;
  /** Undefined while it starts. */
  open: OpenTrial | undefined;
}

interface OpenTrial {
  readonly trial: TrialInstance;
  readonly place: Place;
  readonly tested: TestedInstance;
  readonly standIns: TestTrial;
  readonly callTimeoutMs: number;
  readonly timer: Timer;
  /** Whether a caller knows that the instance crashed. */
  told: boolean;
}

/** A trial that was asked for, and validated. */
interface Opening {
  readonly name: string;
  readonly options: TrialOptions;
  readonly callTimeoutMs: number;
  readonly by: By | undefined;
}

export function createTrials({ modules, standIns, clock, newId, log }: TrialsDeps): Trials {
  const places = new Set<Place>();
  const open = new Map<string, OpenTrial>();
  const ended = new EndedTrials();
  let closed = false;

  /**
   * Starts the stand-ins and the instance, and returns what `begin` makes of them in the same turn. If that fails, calls
   * `free` as soon as nothing is left running.
   */
  const start = async <T>(
    place: Place,
    free: () => void,
    options: TrialOptions,
    begin: (tested: TestedInstance, made: TestTrial) => T,
  ): Promise<T> => {
    const { module, over } = place;
    const { modulePath, assets, config, stubs, allowDependencies } = options;
    const asked = { stubs, allowDependencies };
    const late: Promise<unknown>[] = [];
    let made: TestTrial | undefined;
    try {
      const { signal } = over;
      const making =
        module === ""
          ? standIns.startUnregistered(asked, signal)
          : standIns.start(module, { asked: layerOf(asked), signal });
      made = await unlessCancelled(making, signal, late, (trial) => trial.close());
      signal.throwIfAborted();
      const dependencies = namedBy(asked);
      const fresh = { modulePath, assets, config, dependencies, trial: made, signal };
      const tested = await unlessCancelled(modules.startFresh(module, fresh), signal, late, stop);
      if (made !== undefined && tested !== undefined && !signal.aborted) return begin(tested, made);
      if (tested !== undefined) late.push(stop(tested));
      throw signal.reason;
    } catch (error) {
      over.release();
      void Promise.allSettled(late).then(() => {
        made?.close();
        free();
      });
      throw error;
    }
  };

  /** Opens a trial whose instance has started. */
  const begin = (
    { name, options, callTimeoutMs, by }: Opening,
    [place, free]: readonly [Place, () => void],
    tested: TestedInstance,
    made: TestTrial,
  ): TrialInstance => {
    const { ttlMs = DEFAULT_TTL_MS } = options;
    const { modulePath, version, sha256, artifact, instance } = tested;
    const { methods } = instance.shape;
    const [id, createTime] = [newId(), clock.now()];
    const expireTime = createTime + ttlMs;
    const trial = { id, name, modulePath, version, sha256, artifact, methods, createTime, expireTime };
    const timer = clock.setTimer(ttlMs, () => void end(one, "its ttl has passed"));
    const one: OpenTrial = { trial, place, tested, standIns: made, callTimeoutMs, timer, told: false };
    place.open = one;
    open.set(id, one);
    place.over.release();
    onAbort(place.over.signal, () => void stop(tested).then(made.close).then(free));
    onEnd(instance, ({ description, expected }) => {
      void end(one, `its instance ended: ${description}`, expected ? undefined : description);
    });
    log("testing", "info", "trial opened", {
      id,
      module: name,
      modulePath,
      ttlMs,
      actor: by?.actor,
      reason: by?.reason,
    });
    return trial;
  };

  /** Ends an open trial. Resolves when its instance has ended. `crash`: how the instance crashed. */
  const end = async (one: OpenTrial, why: string, crash?: string): Promise<void> => {
    const { place, timer } = one;
    // The names of the methods may be long.
    const { methods: _, expireTime: __, ...trial } = one.trial;
    const { id, name: module, modulePath } = trial;
    if (open.delete(id)) {
      timer.cancel();
      ended.add({ trial, why, crash: one.told ? undefined : crash });
      place.over.abort(crashed(trial, why, true));
      log("testing", crash === undefined ? "info" : "warn", "trial ended", { id, module, modulePath, why });
    }
    await place.freed;
  };

  const reserve = (module: string, signal: AbortSignal | undefined): [place: Place, free: () => void] => {
    if (places.size >= TRIALS_AT_ONCE) throw HeliosError.of("TRIALS_OVERLOADED", { open: places.size });
    const { promise: freed, resolve } = Promise.withResolvers<void>();
    const place: Place = { module, over: joined([signal]), freed, open: undefined };
    places.add(place);
    const free = (): void => {
      places.delete(place);
      resolve();
    };
    return [place, free];
  };

  const endAll = async (those: readonly Place[], why: string, error: HeliosError): Promise<void> => {
    for (const place of those) {
      if (place.open === undefined) place.over.abort(error);
      else void end(place.open, why);
    }
    await Promise.all(those.map(({ freed }) => freed));
  };

  return {
    async open(name, options, by) {
      const { modulePath = "", ttlMs = DEFAULT_TTL_MS } = options;
      if (closed) throw HeliosError.of("SERVER_DRAINING", {});
      if (name === "" && modulePath === "") throw invalid("name", "is missing; give a name, a module_path, or both");
      checkSpan("ttl", ttlMs, { least: 1, most: MAX_TTL_MS });
      causeOf("OpenTrial", by);
      const { callTimeoutMs } = name === "" ? withDefaults({ modulePath }) : modules.get(name).record.registration;
      if (name === "") standIns.checkUnregistered(options);
      else standIns.check(name, options);
      const place = reserve(name, options.signal);
      const opening = { name, options, callTimeoutMs, by };
      return start(...place, options, (tested, made) => begin(opening, place, tested, made));
    },

    async close(id) {
      const one = open.get(id);
      if (one === undefined) throw ended.notFound(id);
      await end(one, "it was closed");
      return one.trial;
    },

    async invoke(id, method, input, { name = "", timeoutMs = Number.POSITIVE_INFINITY, signal, ...others }) {
      checkSpan("timeoutMs", timeoutMs, REMAINING_TIME);
      if (others.idempotencyKey) {
        throw invalid("idempotency_key", "cannot be given with a trial, which remembers no outcomes");
      }
      if (others.routingKey) throw invalid("routing_key", "cannot be given with a trial, which is one instance");
      const one = open.get(id);
      if (one === undefined) throw ended.callError(id);
      const { trial, place, tested, standIns: rules, callTimeoutMs } = one;
      if (name !== "" && name !== trial.name) {
        throw invalid("name", `is ${name}, but the trial runs ${trial.name || "code that is not registered"}`);
      }
      const begun = clock.monotonic();
      const budgetMs = Math.min(timeoutMs, callTimeoutMs);
      if (budgetMs <= 0) throw deadlineError(tested.name, method, budgetMs);
      const until = joined([signal, place.over.signal]);
      try {
        const origin = trialCall(rules, begun + budgetMs, tested.generation);
        const options = { timeoutMs: budgetMs, signal: until.signal, origin };
        const output = await tested.instance.invoke(method, input, options);
        const durationMs = clock.monotonic() - begun;
        return { output, version: trial.version, generation: 0, durationMs, answeredBy: trial.name };
      } catch (error) {
        if (isReason(error, "MODULE_CRASHED")) {
          one.told = true;
          ended.told(id);
        }
        throw error;
      } finally {
        until.release();
      }
    },

    known(id) {
      const trial = open.get(id)?.trial ?? ended.find(id);
      if (trial === undefined) throw ended.notFound(id);
      return trial;
    },

    async forgetModule(name) {
      const those = [...places].filter(({ module }) => module === name);
      await endAll(those, "its module was deleted", moduleNotFound(name));
      ended.forgetModule(name);
    },

    async end() {
      closed = true;
      await endAll([...places], "the service stops", HeliosError.of("SERVER_DRAINING", {}));
    },
  };
}

function stop({ instance }: TestedInstance): Promise<void> {
  return instance.stop(STOP_TIMEOUT_MS);
}
