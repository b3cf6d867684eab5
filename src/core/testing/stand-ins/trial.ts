import { joined } from "../../../kernel/async/signal.ts";
import type { Clock } from "../../../kernel/clock.ts";
import { within } from "../../async/deadline.ts";
import { HeliosError } from "../../errors/error.ts";
import { notStubbed, type StandIn, type Trial } from "../../modules/calls/generation/trial.ts";
import { deadlineError } from "../../modules/host/types/deadline-error.ts";
import type { Instance, Payload } from "../../modules/host/types/host.ts";
import { toJson } from "../../modules/host/values/json.ts";
import { snakeCase } from "../../modules/host/values/names.ts";
import { thrownOf } from "../../modules/host/values/thrown.ts";
import { toWire } from "../../modules/host/values/wire-error.ts";
import type { StandIns } from "../../modules/record/stand-ins.ts";
import { StubCalls } from "./calls.ts";

/** The stand-ins that one party defines: the caller of the run, the suite, or the module's registration. */
export interface Layer {
  /** By dependency: the path of a module, or the stand-in of each method. */
  readonly stubs: ReadonlyMap<string, string | ReadonlyMap<string, StandIn>>;
  /** Dependencies that may be called for real. */
  readonly allow: ReadonlySet<string>;
}

/** The layers for one instance of a run. For each dependency the first layer that names it applies. */
export interface Says {
  readonly dependencies: readonly string[];
  readonly layers: readonly Layer[];
}

/** The trial of a run of tests, and of its tested instance. */
export interface TestTrial extends Trial {
  /** The calls that stand-ins answered, from all instances of the run. */
  readonly calls: StubCalls;
  /** The trials of the peers that are started beside it, by module. */
  readonly peers: ReadonlyMap<string, Trial>;
  /** Kills the modules that stand in. */
  close(): void;
}

/** Time that a stand-in has to answer a call without a deadline of its own; then the call fails. @limit ms */
export const STAND_IN_TIMEOUT_MS = 30_000;

/** Starts a module as a stand-in. Aborting the signal ends it while it starts. */
export type StartStandIn = (dependency: string, modulePath: string, signal: AbortSignal) => Promise<Instance>;

export interface TestTrialOptions {
  /** Default: no peers. */
  readonly peers?: ReadonlyMap<string, Says>;
  /** Aborting it ends the stand-ins that start, and rejects. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts the stand-ins for the dependencies of the tested module and of its peers. If `start` rejects, this rejects with the
 * same error and kills all stand-ins.
 */
export async function createTestTrial(
  tested: Says,
  start: StartStandIn,
  { peers = new Map(), signal }: TestTrialOptions = {},
): Promise<TestTrial> {
  const calls = new StubCalls();
  const starting: Promise<Instance>[] = [];
  const over = joined([signal]);
  const startKept = (dependency: string, modulePath: string): Promise<Instance> => {
    const started = start(dependency, modulePath, over.signal);
    starting.push(started);
    return started;
  };
  const trial = trialFrom(tested, calls, startKept);
  const ofPeers = new Map([...peers].map(([name, says]) => [name, trialFrom(says, calls, startKept)]));
  const close = (): void => {
    over.abort();
    for (const started of starting) started.then((instance) => instance.kill()).catch(() => {});
  };
  await Promise.all(starting).catch((error: unknown) => {
    close();
    throw error;
  });
  over.release();
  return { ...trial, calls, peers: ofPeers, close };
}

function trialFrom(
  { dependencies, layers }: Says,
  calls: StubCalls,
  start: (dependency: string, modulePath: string) => Promise<Instance>,
): Trial {
  const allowed = new Set<string>();
  const find = new Map<string, (method: string) => StandIn | undefined>();
  for (const dependency of dependencies) {
    const layer = layers.find(({ stubs, allow }) => stubs.has(dependency) || allow.has(dependency));
    const stub = layer?.stubs.get(dependency);
    if (layer?.allow.has(dependency)) allowed.add(dependency);
    if (typeof stub === "string") {
      const started = start(dependency, stub);
      find.set(dependency, (method) => async (input, { timeoutMs = STAND_IN_TIMEOUT_MS, signal }) => {
        return (await started).invoke(method, input, { timeoutMs, signal });
      });
    } else if (stub !== undefined) find.set(dependency, (method) => stub.get(method) ?? stub.get(snakeCase(method)));
  }
  return {
    standIn(dependency, method) {
      const standIn = find.get(dependency)?.(method);
      return (
        standIn &&
        ((input, options) => {
          calls.note(dependency, method, input);
          return standIn(input, options);
        })
      );
    },
    allows: (dependency) => allowed.has(dependency),
    refusal: notStubbed,
  };
}

/** The layer of some stand-ins. `standInOf` makes a stand-in of an answer; by default, the answer is data. */
export function layerOf(
  { stubs = {}, allowDependencies = [] }: StandIns,
  standInOf: (dependency: string, method: string, answer: unknown) => StandIn = (_, __, json) => async () => ({ json }),
): Layer {
  const answers = (dependency: string, methods: Readonly<Record<string, unknown>>) =>
    byMethod(Object.entries(methods).map(([method, answer]) => [method, standInOf(dependency, method, answer)]));
  const read = Object.entries(stubs).map(
    ([name, stub]) => [name, typeof stub === "string" ? stub : answers(name, stub)] as const,
  );
  return { stubs: new Map(read), allow: new Set(allowDependencies) };
}

/** Stand-ins by the given spelling of their method, and by its snake_case. */
function byMethod(standIns: readonly (readonly [string, StandIn])[]): ReadonlyMap<string, StandIn> {
  return new Map([...standIns.map(([method, standIn]) => [snakeCase(method), standIn] as const), ...standIns]);
}

/** A stand-in that answers with a value, or calls a function in this process. An error of the function is the method's. */
export function standInIn(clock: Clock, dependency: string, answer: unknown): StandIn {
  if (typeof answer !== "function") return async () => ({ json: toJson(answer, "output") ?? null });
  return async (input, { method, timeoutMs = STAND_IN_TIMEOUT_MS }) => {
    const late = (): Error => deadlineError(dependency, method, timeoutMs);
    const work = Promise.try(answer as (input: unknown) => unknown, "binary" in input ? input.binary : input.json).then(
      toPayload,
    );
    return within(clock, timeoutMs, work, late).catch((thrown: unknown) => {
      throw thrown instanceof HeliosError ? thrown : methodFailed(dependency, method, thrown);
    });
  };
}

function toPayload(output: unknown): Payload {
  return output instanceof Uint8Array ? { binary: output } : { json: toJson(output, "output") ?? null };
}

function methodFailed(name: string, method: string, thrown: unknown): HeliosError {
  const error = toWire(thrown);
  const fault = error.callerFault === true ? { caller_fault: "true" } : {};
  const details = { error: error.message, ...thrownOf(error), ...fault };
  return HeliosError.of("MODULE_METHOD_FAILED", { name, method, ...details }, { cause: thrown });
}
