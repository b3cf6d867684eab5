import { within } from "../../async/deadline.ts";
import { type By, causeOf } from "../../change.ts";
import { HeliosError } from "../../errors/error.ts";
import type { Cause } from "../../store/store.ts";
import type { Generation } from "../calls/generation.ts";
import { dependentsOrder, directDependents } from "../record/dependencies.ts";
import { rememberEnd } from "../record/history.ts";
import type { Module } from "../record/record.ts";
import { advance, checkEtag, dependenciesOf, getModule, type Room, runningGeneration } from "./context.ts";

export interface UnloadOptions {
  /** Unload the modules that depend on it first, in order. */
  readonly cascade?: boolean | undefined;
}

/** Time beyond `call_timeout` that an unloading module's calls have to end; then they are given up. @limit ms */
export const DRAIN_GRACE_MS = 1000;

export async function unloadModule(
  room: Room,
  name: string,
  { cascade = false }: UnloadOptions,
  by: By | undefined,
): Promise<{ readonly module: Module; readonly unloaded: readonly string[] }> {
  getModule(room, name);
  return room.operations.alone(name, "UnloadModule", async () => {
    await checkEtag(room, name, by?.etag);
    const cause = causeOf("UnloadModule", by);
    const unloaded: string[] = [];
    if (cascade) {
      for (const dependent of dependentsOrder(name, dependenciesOf(room)).filter((one) => isLoaded(room, one))) {
        await room.operations.alone(dependent, "UnloadModule", () => takeDown(room, dependent, cause));
        unloaded.push(dependent);
      }
    }
    const dependents = directDependents(name, dependenciesOf(room)).filter((one) => isLoaded(room, one));
    if (dependents.length > 0) {
      throw HeliosError.of("MODULE_HAS_DEPENDENTS", { name, dependents: dependents.join(", ") });
    }
    const before = getModule(room, name).record;
    const module = await takeDown(room, name, cause, by?.etag);
    if (before.lifecycle.state !== "UNLOADED") unloaded.push(name);
    return { module, unloaded };
  });
}

/** Started, or about to be. */
function isLoaded(room: Room, name: string): boolean {
  const { state } = getModule(room, name).record.lifecycle;
  return (state !== "UNLOADED" && state !== "FAILED") || room.operations.running(name) === "LoadModule";
}

/** -> UNLOADING, the calls under way end, -> UNLOADED. Whoever calls it has the module to itself. */
async function takeDown(room: Room, name: string, cause: Cause, etag?: string): Promise<Module> {
  const before = getModule(room, name);
  if (before.record.lifecycle.state === "UNLOADED") return forgetDesire(room, name, cause, etag);
  const generation = runningGeneration(room, before);
  const module = await advance(room, name, cause, { type: "unload" }, () => ({ desired: "UNLOADED" }), etag);
  if (module.record.lifecycle.state !== "UNLOADING") return module;
  if (generation !== undefined) {
    // What it is asked to end may take a call of others: it still may make some.
    generation.instance.retire();
    await drained(room, generation, before.record.registration.callTimeoutMs);
    await room.generations.stop(name, generation);
  }
  return advance(room, name, cause, { type: "stopped" }, (record) =>
    generation === undefined ? {} : rememberEnd(record, generation.number, "unloaded", room.clock.now()),
  );
}

/** Resolves to whether all that is under way in it has ended. Calls have deadlines; methods may go on after those. */
export async function drained(room: Room, generation: Generation, callTimeoutMs: number): Promise<boolean> {
  const late = (): Error => new Error("it is under way");
  return within(room.clock, callTimeoutMs + DRAIN_GRACE_MS, generation.settled(), late).then(
    () => true,
    () => false,
  );
}

/** It does not run now; nor is it to run after a restart. */
async function forgetDesire(room: Room, name: string, cause: Cause, etag: string | undefined): Promise<Module> {
  const decide = (current: Module | undefined) =>
    current === undefined || current.record.desired === "UNLOADED"
      ? undefined
      : { ...current.record, desired: "UNLOADED" as const };
  return (await room.collection.change(name, cause, decide, etag)) ?? getModule(room, name);
}
