import type { Clock } from "../../../kernel/clock.ts";
import type { Breakers } from "../../breakers/types.ts";
import { HeliosError, isReason, messageOf } from "../../errors/error.ts";
import type { Log } from "../../log.ts";
import type { Collection } from "../../store/collection.ts";
import type { Cause } from "../../store/store.ts";
import { cut } from "../../text/cut.ts";
import type { Generation } from "../calls/generation/generation.ts";
import type { Generations } from "../calls/generations.ts";
import type { Router } from "../calls/router.ts";
import type { Upcoming } from "../calls/upcoming.ts";
import type { ModuleHost, ResolvedModule } from "../host/types/host.ts";
import type { Dependencies } from "../record/dependencies.ts";
import { type Failure, isRunning, type LifecycleEvent, transition } from "../record/lifecycle.ts";
import { type Module, type ModuleRecord, moduleNotFound, type Registration } from "../record/record.ts";
import type { Operations } from "./exclusive.ts";
import type { HotReload } from "./freeze.ts";

/** The parts that all operations on modules share. */
export interface OperationContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly host: ModuleHost;
  readonly breakers: Breakers;
  readonly collection: Collection<ModuleRecord>;
  readonly operations: Operations;
  readonly router: Router;
  readonly generations: Generations;
  readonly hotReload: HotReload;
  readonly upcoming: Upcoming;
  /**
   * Handles the crash of an instance whose end the supervisor was not notified of. A second call for the same instance does
   * nothing.
   */
  readonly crashed: (name: string, generation: Generation) => void;
  /** Aborted when the service stops. */
  readonly closing: AbortSignal;
  /** Whether the service stops. Failures are not recorded then, because the modules did not cause them. */
  isClosing(): boolean;
}

/** Returns the module with that name. Throws MODULE_NOT_FOUND. */
export function getModule({ collection }: OperationContext, name: string): Module {
  const module = collection.get(name);
  if (module === undefined) throw moduleNotFound(name);
  return module;
}

/** Rejects with ETAG_MISMATCH unless the module has this etag. Undefined and empty match every module. */
export async function checkEtag(
  { collection }: OperationContext,
  name: string,
  etag: string | undefined,
): Promise<void> {
  await collection.change(name, { action: "Check" }, () => undefined, etag);
}

/** Returns the registered dependencies of each module. */
export function dependenciesOf({ collection }: OperationContext): Dependencies {
  return new Map(collection.list().map(({ name, record }) => [name, record.registration.dependencies]));
}

/** Returns the running generation of a module. Undefined if the module does not run. */
export function runningGeneration({ generations }: OperationContext, { name, record }: Module): Generation | undefined {
  const { lifecycle } = record;
  return isRunning(lifecycle) ? generations.find(name, lifecycle.running.generation) : undefined;
}

/**
 * Stores the state of a module after an event, and the changes that `also` returns. Rejects with MODULE_STATE_CONFLICT if the
 * event is not possible in the module's current state.
 */
export async function advance(
  context: OperationContext,
  name: string,
  cause: Cause,
  event: LifecycleEvent,
  also: (record: ModuleRecord) => Partial<ModuleRecord> = () => ({}),
  etag?: string,
): Promise<Module> {
  const written = await context.collection.change(
    name,
    cause,
    (current) => {
      if (current === undefined) throw moduleNotFound(name);
      const { record } = current;
      const lifecycle = transition(record.lifecycle, event);
      if (lifecycle === undefined) throw conflict(current, cause.action, "another state");
      return { ...record, ...also(record), lifecycle };
    },
    etag,
  );
  return written ?? getModule(context, name);
}

export function conflict({ name, record }: Module, operation: string, expected: string): HeliosError {
  return HeliosError.of("MODULE_STATE_CONFLICT", { name, state: record.lifecycle.state, operation, expected });
}

/**
 * Reads the code and the assets. If a digest is given, compares it with those of the file and of the artifact. Rejects with
 * MODULE_DIGEST_MISMATCH and the errors of `ModuleHost.resolve`.
 */
export async function verified({ host }: OperationContext, of: VerifiedCode): Promise<ResolvedModule> {
  return checkDigest(await host.resolve(of.modulePath, of.assets), of.sha256);
}

/** The part of a registration that determines the code. Earlier versions of the service stored no assets. */
export type VerifiedCode = Pick<Registration, "modulePath" | "sha256"> & Partial<Pick<Registration, "assets">>;

function checkDigest(module: ResolvedModule, expected: string): ResolvedModule {
  if (["", module.sha256, module.artifact].includes(expected)) return module;
  const metadata = { module_path: module.modulePath, actual: module.sha256, expected };
  throw HeliosError.of("MODULE_DIGEST_MISMATCH", metadata);
}

/** Creates the error for a start that failed in this step. */
export function loadFailed(name: string, step: string, error: unknown): HeliosError {
  if (isReason(error, "MODULE_LOAD_FAILED")) return error;
  const metadata = error instanceof HeliosError ? error.metadata : {};
  const stack = metadata.stack === undefined ? {} : { stack: metadata.stack };
  return HeliosError.of(
    "MODULE_LOAD_FAILED",
    { name, step, error: metadata.error ?? messageOf(error), ...stack },
    { cause: error },
  );
}

/** Length of a failed module's message, and of its stack, in the store; the rest is cut. @limit characters */
const MAX_FAILURE = 4096;

/** Returns the failure to record for an error that ended a start. */
export function failureOf(error: unknown, time: number): Failure {
  if (!isReason(error, "MODULE_LOAD_FAILED"))
    return { step: "verify", message: cut(messageOf(error), MAX_FAILURE), time };
  const { step = "", error: message = "", stack } = error.metadata;
  return {
    step,
    message: cut(message, MAX_FAILURE),
    ...(stack === undefined ? {} : { stack: cut(stack, MAX_FAILURE) }),
    time,
  };
}
