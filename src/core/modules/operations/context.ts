import type { Clock } from "../../../kernel/clock.ts";
import type { Breakers } from "../../breakers/types.ts";
import { HeliosError, isReason, messageOf } from "../../errors/error.ts";
import type { Log } from "../../log.ts";
import { cut } from "../../size.ts";
import type { Collection } from "../../store/collection.ts";
import type { Cause } from "../../store/store.ts";
import type { Generation } from "../calls/generation.ts";
import type { Generations } from "../calls/generations.ts";
import type { Router } from "../calls/router.ts";
import type { Upcoming } from "../calls/upcoming.ts";
import type { ModuleHost, ResolvedModule } from "../host/types/host.ts";
import type { Dependencies } from "../record/dependencies.ts";
import { type Failure, isRunning, type LifecycleEvent, transition } from "../record/lifecycle.ts";
import { type Module, type ModuleRecord, moduleNotFound, type Registration } from "../record/record.ts";
import type { Operations } from "./exclusive.ts";
import type { HotReload } from "./freeze.ts";

/** What the operations on modules share. */
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
  /** To be told of an instance that ended while it was looked after by somebody else. Told of it again, it does nothing. */
  readonly crashed: (name: string, generation: Generation) => void;
  /** Aborted when everything is being stopped. */
  readonly closing: AbortSignal;
  /** Whether it is: what fails then is nobody's failure. */
  isClosing(): boolean;
}

/** MODULE_NOT_FOUND. */
export function getModule({ collection }: OperationContext, name: string): Module {
  const module = collection.get(name);
  if (module === undefined) throw moduleNotFound(name);
  return module;
}

/** ETAG_MISMATCH unless the module has this etag; without one it may be as it is. */
export async function checkEtag(
  { collection }: OperationContext,
  name: string,
  etag: string | undefined,
): Promise<void> {
  await collection.change(name, { action: "Check" }, () => undefined, etag);
}

/** Who needs whom, as registered. */
export function dependenciesOf({ collection }: OperationContext): Dependencies {
  return new Map(collection.list().map(({ name, record }) => [name, record.registration.dependencies]));
}

/** The generation that runs here; undefined where none does. */
export function runningGeneration({ generations }: OperationContext, { name, record }: Module): Generation | undefined {
  const { lifecycle } = record;
  return isRunning(lifecycle) ? generations.find(name, lifecycle.running.generation) : undefined;
}

/**
 * Writes what becomes of a module by an event, with what else changes then. MODULE_STATE_CONFLICT where the event has no
 * place in the state that the module is in by now.
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
 * Reads the code and the assets, and compares the digest of the file or of the artifact, where one is given.
 * MODULE_DIGEST_MISMATCH, and what `resolve` says. A registration of an earlier version has no assets.
 */
export async function verified({ host }: OperationContext, of: VerifiedCode): Promise<ResolvedModule> {
  return checkDigest(await host.resolve(of.modulePath, of.assets), of.sha256);
}

/** What of a registration tells the code. */
export type VerifiedCode = Pick<Registration, "modulePath" | "sha256"> & Partial<Pick<Registration, "assets">>;

function checkDigest(module: ResolvedModule, expected: string): ResolvedModule {
  if (["", module.sha256, module.artifact].includes(expected)) return module;
  const metadata = { module_path: module.modulePath, actual: module.sha256, expected };
  throw HeliosError.of("MODULE_DIGEST_MISMATCH", metadata);
}

/** The error that a start which failed at that step ends in. */
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

/** Length of a failed module's message, and of its stack, as they are stored; the rest is cut. @limit characters */
const MAX_FAILURE = 4096;

/** What is recorded of an error that ended a start. */
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
