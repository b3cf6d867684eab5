import { joined } from "../../../kernel/async/signal.ts";
import type { Clock } from "../../../kernel/clock.ts";
import type { EvaluationContext } from "../../../kernel/flags/evaluation.ts";
import { HeliosError } from "../../errors/error.ts";
import type { Log } from "../../log.ts";
import type { Instance, InstanceServices, ModuleHost, ResolvedModule } from "../host/types/host.ts";
import { chosenVersion, type VersionChoice } from "../host/values/version.ts";
import type { Registration } from "../record/record.ts";
import { healthIntervalOf } from "../record/registration.ts";
import { Fence } from "./generation/fence.ts";
import { Generation, type Peers } from "./generation/generation.ts";
import { type Health, HealthWatch } from "./generation/health.ts";
import type { Trial } from "./generation/trial.ts";
import { type Caller, createReach } from "./reach.ts";
import type { Router } from "./router.ts";

/** Time that a module's `stop` method may take; then the instance is killed. @limit ms */
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
  /** Called when an instance has ended without being stopped. */
  readonly onCrash: (name: string, generation: Generation) => void;
  /** Called when an instance becomes unhealthy or healthy again. If it rejects, it is called again after the next answer. */
  readonly onHealth: (name: string, number: number, health: Health) => Promise<void>;
}

/** How to start an instance. */
export interface StartRequest {
  readonly registration: Registration;
  readonly module: ResolvedModule;
  readonly version: VersionChoice;
  /** The generations that it calls instead of those that serve. Default: none. */
  readonly peers?: Peers;
  /** Whether it is started to serve, and may therefore act of its own accord from its start. */
  readonly acts: boolean;
  /** What it may call before it serves. */
  readonly trial: Trial;
  /** If it is aborted during the start, the instance is ended. */
  readonly signal?: AbortSignal;
}

/** A generation that is starting. */
export interface Starting {
  readonly number: number;
  readonly code: ResolvedModule;
  /** Wall time in ms at which the start began. */
  readonly startTime: number;
}

/** Starts instances, and keeps a list of all that live. */
export interface Generations {
  /** Starts the next generation of a module. It takes no calls yet. `recorded`: the highest number that is stored. */
  start(name: string, recorded: number, request: StartRequest): Promise<Generation>;
  /** Starts an instance for tests. It has the number 0, takes no calls and is not listed. The caller must stop it. */
  startApart(name: string, request: StartRequest): Promise<Generation>;
  find(name: string, number: number): Generation | undefined;
  /** The generations of a module that live or are being started. */
  living(name: string): { readonly starting: readonly Starting[]; readonly started: readonly Generation[] };
  /** Calls the module's `stop` method, and ends the instance. */
  stop(name: string, generation: Generation): Promise<void>;
  /** Ends the instance at once. */
  discard(name: string, generation: Generation): void;
  /**
   * Kills the instances of a deleted module that still live. If the module is registered again, its numbers start at 1. No
   * other operation may run on the module meanwhile.
   */
  forget(name: string): Promise<void>;
  /** Stops all instances, and refuses later starts with SERVER_DRAINING. */
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

  const servicesOf = (name: string, identity: StartIdentity, request: StartRequest): InstanceServices => {
    const { registration, peers, acts, trial } = request;
    const { number, fence, generation } = identity;
    const { dependencies } = registration;
    const caller: Caller = { name, number, dependencies, generation, fence, peers, acts, trial };
    return {
      log: (level, message, fields) => log("modules", level, message, { ...fields, module: name, generation: number }),
      isFlagEnabled: (flag, context) => flags.isEnabled(flag, toContext(context)),
      call: (dependency, method, input, source) => reach(caller, dependency, method, input, source),
    };
  };

  const startInstance = async (name: string, identity: StartIdentity, request: StartRequest): Promise<Instance> => {
    if (closed) throw HeliosError.of("SERVER_DRAINING", {});
    const { registration, module, version } = request;
    const { isolation, config, env, grants, maxHeapMb, startTimeoutMs, blockTimeoutMs } = registration;
    const signals = joined([request.signal, closing.signal]);
    const starting = host.start(
      {
        name,
        version: version.asked,
        defaultVersion: version.otherwise,
        generation: identity.number,
        module,
        isolation,
        config,
        env,
        grants,
        maxHeapMb,
        startTimeoutMs,
        blockTimeoutMs,
      },
      servicesOf(name, identity, request),
      signals.signal,
    );
    // A start that is aborted because the service stops is not a failure of the module.
    const instance = await starting.finally(signals.release).catch((error: unknown) => {
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
    { number, fence }: StartIdentity,
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
    const ofInstance = { ...running, version: chosenVersion(version, instance.shape.version) };
    return new Generation(name, ofInstance, module, instance, { health, peers, acts, trial, fence });
  };

  const unlist = (name: string, generation: Generation): void => {
    const key = keyOf(name, generation.number);
    // After a module was deleted and registered again, a new generation may have the same number.
    if (byKey.get(key) === generation) byKey.delete(key);
  };
  const discard = (name: string, generation: Generation): void => {
    unlist(name, generation);
    generation.instance.kill();
  };

  return {
    async start(name, recorded, request) {
      const number = Math.max(highest.get(name) ?? 0, recorded) + 1;
      highest.set(name, number);
      const key = keyOf(name, number);
      let generation: Generation | undefined;
      const identity: StartIdentity = { number, fence: new Fence(name, number), generation: () => generation };
      const starting = startInstance(name, identity, request).finally(() => beingStarted.delete(key));
      const settled = starting.catch(() => {});
      beingStarted.set(key, { number, code: request.module, startTime: clock.now(), settled });
      const instance = await starting;
      const started = generationOf(name, identity, request, instance);
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
      const identity: StartIdentity = { number: 0, fence: new Fence(name, 0), generation: () => generation };
      generation = generationOf(name, identity, request, await startInstance(name, identity, request));
      return generation;
    },

    find: (name, number) => byKey.get(keyOf(name, number)),

    living: (name) => ({
      starting: valuesOf(beingStarted, name),
      started: valuesOf(byKey, name),
    }),

    async stop(name, generation) {
      unlist(name, generation);
      await generation.instance.stop(STOP_TIMEOUT_MS);
    },

    discard,

    async forget(name) {
      // An aborted start ends soon. The operation that aborted it discards the instance, if there is one.
      await Promise.all(valuesOf(beingStarted, name).map(({ settled }) => settled));
      for (const generation of valuesOf(byKey, name)) discard(name, generation);
      highest.delete(name);
    },

    async close() {
      closed = true;
      closing.abort();
      await Promise.all([...live].map((instance) => instance.stop(STOP_TIMEOUT_MS)));
    },
  };
}

/** What is known about a generation before its instance has started. */
interface StartIdentity {
  readonly number: number;
  readonly fence: Fence;
  /** Undefined until it has started. */
  readonly generation: () => Generation | undefined;
}

/** The key is unique, because the name of a module contains no slash. */
function keyOf(name: string, number: number): string {
  return `${name}/${number}`;
}

function valuesOf<T>(byKey: ReadonlyMap<string, T>, name: string): readonly T[] {
  return [...byKey].filter(([key]) => key.startsWith(`${name}/`)).map(([, value]) => value);
}

/** A module may write the fields of the context in camelCase or snake_case. */
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
