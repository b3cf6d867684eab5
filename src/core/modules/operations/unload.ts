import { raceOr, timeLimit } from "../../../kernel/async/race.ts";
import { type By, causeOf } from "../../change.ts";
import { HeliosError } from "../../errors/error.ts";
import type { Cause } from "../../store/store.ts";
import type { Generation } from "../calls/generation/generation.ts";
import { dependentsOrder, directDependents } from "../record/dependencies.ts";
import { rememberEnd } from "../record/history.ts";
import type { Module } from "../record/record.ts";
import { advance, checkEtag, dependenciesOf, getModule, type OperationContext, runningGeneration } from "./context.ts";

export interface UnloadOptions {
  /** Whether to unload the modules first that depend on it, in order. */
  readonly cascade?: boolean | undefined;
}

/** Time beyond `call_timeout` that an unloading module's calls have to end; then they are given up. @limit ms */
export const DRAIN_GRACE_MS = 1000;

export async function unloadModule(
  context: OperationContext,
  name: string,
  { cascade = false }: UnloadOptions,
  by: By | undefined,
): Promise<{ readonly module: Module; readonly unloaded: readonly string[] }> {
  getModule(context, name);
  return context.operations.alone(name, "UnloadModule", async () => {
    await checkEtag(context, name, by?.etag);
    const cause = causeOf("UnloadModule", by);
    const unloaded: string[] = [];
    if (cascade) {
      for (const dependent of dependentsOrder(name, dependenciesOf(context)).filter((one) => isLoaded(context, one))) {
        await context.operations.alone(dependent, "UnloadModule", () => takeDown(context, dependent, cause));
        unloaded.push(dependent);
      }
    }
    const dependents = directDependents(name, dependenciesOf(context)).filter((one) => isLoaded(context, one));
    if (dependents.length > 0) {
      throw HeliosError.of("MODULE_HAS_DEPENDENTS", { name, dependents: dependents.join(", ") });
    }
    const before = getModule(context, name).record;
    const module = await takeDown(context, name, cause, by?.etag);
    if (before.lifecycle.state !== "UNLOADED") unloaded.push(name);
    return { module, unloaded };
  });
}

/** Whether a module is started or about to be. */
function isLoaded(context: OperationContext, name: string): boolean {
  const { state } = getModule(context, name).record.lifecycle;
  return (state !== "UNLOADED" && state !== "FAILED") || context.operations.running(name) === "LoadModule";
}

/**
 * Takes a module to UNLOADING, waits for the calls in progress, and takes it to UNLOADED. The caller must make sure that no
 * other operation runs on the module.
 */
async function takeDown(context: OperationContext, name: string, cause: Cause, etag?: string): Promise<Module> {
  const before = getModule(context, name);
  if (before.record.lifecycle.state === "UNLOADED") return forgetDesire(context, name, cause, etag);
  const generation = runningGeneration(context, before);
  const module = await advance(context, name, cause, { type: "unload" }, () => ({ desired: "UNLOADED" }), etag);
  if (module.record.lifecycle.state !== "UNLOADING") return module;
  if (generation !== undefined) {
    // A listener of `onRetire` may have to call other modules to complete its work.
    generation.instance.retire();
    await drained(context, generation, before.record.registration.callTimeoutMs);
    await context.generations.stop(name, generation);
  }
  return advance(context, name, cause, { type: "stopped" }, (record) =>
    generation === undefined ? {} : rememberEnd(record, generation.number, "unloaded", context.clock.now()),
  );
}

/**
 * Resolves to whether everything in progress in a generation has ended in time. Calls have deadlines, but their methods may
 * continue after them.
 */
export async function drained(
  context: OperationContext,
  generation: Generation,
  callTimeoutMs: number,
): Promise<boolean> {
  const limit = timeLimit(context.clock, callTimeoutMs + DRAIN_GRACE_MS, () => undefined);
  return raceOr(
    generation.settled().then(() => true),
    [limit],
    () => false,
  );
}

/** Makes sure that a module which does not run is not started after a restart of the service. */
async function forgetDesire(
  context: OperationContext,
  name: string,
  cause: Cause,
  etag: string | undefined,
): Promise<Module> {
  const decide = (current: Module | undefined) =>
    current === undefined || current.record.desired === "UNLOADED"
      ? undefined
      : { ...current.record, desired: "UNLOADED" as const };
  return (await context.collection.change(name, cause, decide, etag)) ?? getModule(context, name);
}
