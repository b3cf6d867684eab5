import type { Clock } from "../../../kernel/clock.ts";
import type { EvaluationContext } from "../../../kernel/flags/evaluation.ts";
import { joined } from "../../async/deadline.ts";
import { HeliosError } from "../../errors/error.ts";
import type { Log } from "../../log.ts";
import type { Instance, InstanceServices, ModuleHost, ResolvedModule } from "../host/types/host.ts";
import type { Registration } from "../record/record.ts";
import { healthIntervalOf } from "../record/registration.ts";
import { Fence } from "./generation/fence.ts";
import { Generation, type Peers } from "./generation/generation.ts";
import { type Health, HealthWatch } from "./generation/health.ts";
import type { Trial } from "./generation/trial.ts";
import { type Caller, createReach } from "./reach.ts";
import type { Router } from "./router.ts";

/** Time that a module's own `stop` may take; then the instance is killed. @limit ms */
export const STOP_TIMEOUT_MS = 5000;

export interface FlagReader {
  isEnabled(name: string, context?: EvaluationContext): boolean;
}

export interface GenerationsDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly host: ModuleHost;
  readonly flags: FlagReader;
  readonly router: Router;
  /** Told when an instance that nobody stopped has ended. */
  readonly onCrash: (name: string, generation: Generation) => void;
  /** Told when an instance becomes unhealthy, and when it is well again; rejects where that is to be told again. */
  readonly onHealth: (name: string, number: number, health: Health) => Promise<void>;
}

/** What to start. */
export interface StartRequest {
  readonly registration: Registration;
  readonly module: ResolvedModule;
  /** The version, given the class's own if it has one. */
  readonly version: (ofClass: string | undefined) => string;
  /** Where its calls go instead of the generations that serve. Default: nowhere. */
  readonly peers?: Peers;
  /** Whether it is started to serve: it may act of its own accord from its start on. */
  readonly acts: boolean;
  /** What it reaches before it serves. */
  readonly trial: Trial;
  /** Aborting it ends the instance while it starts. */
  readonly signal?: AbortSignal;
}

/** A generation that is being started. */
export interface Starting {
  readonly number: number;
  readonly code: ResolvedModule;
  /** Wall time in ms. */
  readonly startTime: number;
}

/** Starts instances, and knows all that live. */
export interface Generations {
  /** Starts the next generation of a module; it takes no traffic. `recorded`: the highest number that is stored. */
  start(name: string, recorded: number, request: StartRequest): Promise<Generation>;
  /** Starts an instance for tests: it has no number, takes no traffic and is none of those that live. The caller stops it. */
  startApart(name: string, request: StartRequest): Promise<Generation>;
  find(name: string, number: number): Generation | undefined;
  /** All of a module that live or are being started. */
  living(name: string): { readonly starting: readonly Starting[]; readonly started: readonly Generation[] };
  /** Calls the module's `stop` and ends the instance. */
  stop(name: string, generation: Generation): Promise<void>;
  /** Ends the instance at once. */
  discard(name: string, generation: Generation): void;
  /**
   * Ends what may still live of a module that is deleted; its generations are counted anew. The caller has the module to
   * itself.
   */
  forget(name: string): Promise<void>;
  /** Stops everything and refuses to start more. */
  close(): Promise<void>;
}

export function createGenerations({
  clock,
  log,
  host,
  flags,
  router,
  onCrash,
  onHealth,
}: GenerationsDeps): Generations {
  const live = new Set<Instance>();
  const byKey = new Map<string, Generation>();
  const beingStarted = new Map<string, Starting & { readonly settled: Promise<unknown> }>();
  const highest = new Map<string, number>();
  const closing = new AbortController();
  const reach = createReach(router, clock);
  let closed = false;

  const servicesOf = (name: string, standing: Standing, request: StartRequest): InstanceServices => {
    const { registration, peers, acts, trial } = request;
    const { number, fence, generation } = standing;
    const { dependencies } = registration;
    const caller: Caller = { name, number, dependencies, generation, fence, peers, acts, trial };
    return {
      log: (level, message, fields) => log("modules", level, message, { ...fields, module: name, generation: number }),
      isFlagEnabled: (flag, context) => flags.isEnabled(flag, toContext(context)),
      call: (dependency, method, input, source) => reach(caller, dependency, method, input, source),
    };
  };

  const startInstance = async (name: string, standing: Standing, request: StartRequest): Promise<Instance> => {
    if (closed) throw HeliosError.of("SERVER_DRAINING", {});
    const { registration, module, version } = request;
    const { isolation, config, env, grants, maxHeapMb, startTimeoutMs, blockTimeoutMs } = registration;
    const given = joined(request.signal === undefined ? [closing.signal] : [request.signal, closing.signal]);
    const starting = host.start(
      {
        name,
        // Asked with a class that has an empty one, what is left is what was said.
        version: version(""),
        defaultVersion: version(undefined),
        generation: standing.number,
        module,
        isolation,
        config,
        env,
        grants,
        maxHeapMb,
        startTimeoutMs,
        blockTimeoutMs,
      },
      servicesOf(name, standing, request),
      given.signal,
    );
    // One that is given up because everything ends has not failed.
    const instance = await starting.finally(given.release).catch((error: unknown) => {
      throw closed ? HeliosError.of("SERVER_DRAINING", {}) : error;
    });
    live.add(instance);
    void instance.ended.then(() => live.delete(instance));
    if (closed) {
      instance.kill();
      throw HeliosError.of("SERVER_DRAINING", {});
    }
    return instance;
  };

  const generationOf = (
    name: string,
    { number, fence }: Standing,
    { registration, module, version, peers = new Map(), acts, trial }: StartRequest,
    instance: Instance,
  ): Generation => {
    const { modulePath, sha256, artifact } = module;
    const { methods } = instance.shape;
    const running = { generation: number, modulePath, sha256, artifact, methods, loadTime: clock.now() };
    const health = new HealthWatch(instance, {
      clock,
      intervalMs: healthIntervalOf(registration),
      onChange: (now) => onHealth(name, number, now),
    });
    const ofInstance = { ...running, version: version(instance.shape.version) };
    return new Generation(name, ofInstance, module, instance, { health, peers, acts, trial, fence });
  };

  const letGo = (name: string, generation: Generation): void => {
    const key = keyOf(name, generation.number);
    // One of a module that was deleted may have the number of one that lives.
    if (byKey.get(key) === generation) byKey.delete(key);
  };
  const discard = (name: string, generation: Generation): void => {
    letGo(name, generation);
    generation.instance.kill();
  };

  return {
    async start(name, recorded, request) {
      const number = Math.max(highest.get(name) ?? 0, recorded) + 1;
      highest.set(name, number);
      const key = keyOf(name, number);
      let generation: Generation | undefined;
      const standing: Standing = { number, fence: new Fence(name, number), generation: () => generation };
      const starting = startInstance(name, standing, request).finally(() => beingStarted.delete(key));
      const settled = starting.catch(() => {});
      beingStarted.set(key, { number, code: request.module, startTime: clock.now(), settled });
      const instance = await starting;
      const started = generationOf(name, standing, request, instance);
      generation = started;
      byKey.set(key, started);
      void instance.ended.then((ending) => {
        started.endTime = clock.now();
        if (!ending.expected && !closed && byKey.get(key) === started) onCrash(name, started);
      });
      return started;
    },

    async startApart(name, request) {
      let generation: Generation | undefined;
      const standing: Standing = { number: 0, fence: new Fence(name, 0), generation: () => generation };
      generation = generationOf(name, standing, request, await startInstance(name, standing, request));
      return generation;
    },

    find: (name, number) => byKey.get(keyOf(name, number)),

    living: (name) => ({
      starting: of(beingStarted, name),
      started: of(byKey, name),
    }),

    async stop(name, generation) {
      letGo(name, generation);
      await generation.instance.stop(STOP_TIMEOUT_MS);
    },

    discard,

    async forget(name) {
      // A start that was given up ends soon, and what it started is discarded by whoever gave it up.
      await Promise.all(of(beingStarted, name).map(({ settled }) => settled));
      for (const generation of of(byKey, name)) discard(name, generation);
      highest.delete(name);
    },

    async close() {
      closed = true;
      closing.abort();
      await Promise.all([...live].map((instance) => instance.stop(STOP_TIMEOUT_MS)));
    },
  };
}

/** What an instance that is being started will be. */
interface Standing {
  readonly number: number;
  readonly fence: Fence;
  /** Undefined until it has started. */
  readonly generation: () => Generation | undefined;
}

/** No name holds a slash. */
function keyOf(name: string, number: number): string {
  return `${name}/${number}`;
}

function of<T>(byKey: ReadonlyMap<string, T>, name: string): readonly T[] {
  return [...byKey].filter(([key]) => key.startsWith(`${name}/`)).map(([, value]) => value);
}

/** A module writes the fields of the context in either style. */
function toContext(context: Readonly<Record<string, unknown>>): EvaluationContext {
  const text = (value: unknown): string | undefined => (value === undefined ? undefined : (value as string));
  return {
    sessionId: text(context.session_id ?? context.sessionId),
    userId: text(context.user_id ?? context.userId),
    symbol: text(context.symbol),
    system: text(context.system),
    attributes: context.attributes as EvaluationContext["attributes"],
  };
}
