import { faultIn, isReason, messageOf } from "../../errors/error.ts";
import { advance, dependenciesOf, type OperationContext } from "../operations/context.ts";
import { bringUp, checkDependencies } from "../operations/load.ts";
import { loadOrder } from "../record/dependencies.ts";
import { rememberEnds } from "../record/history.ts";
import { transition } from "../record/lifecycle.ts";
import type { Module, ModuleRecord } from "../record/record.ts";

const CAUSE = { action: "Restore", reason: "the service was started" };

/** Corrects the records that the last run of the service left, because nothing runs any more. */
export async function forgetRuns({ collection, clock }: OperationContext): Promise<void> {
  const decide = (current: Module | undefined): ModuleRecord | undefined => {
    const lifecycle = current && transition(current.record.lifecycle, { type: "boot" });
    if (current === undefined || lifecycle === undefined) return undefined;
    return { ...rememberEnds(current.record, "the service ended", clock.now()), lifecycle };
  };
  for (const { name } of collection.list()) await collection.change(name, CAUSE, decide);
}

/**
 * Starts every module that must run by its desired state. Each one starts after its dependencies, and otherwise all start at
 * once. A failure is recorded with its module, and prevents only the start of modules that depend on it. After a fault of the
 * machine, `retry` starts the module later. Resolves when each module runs or has failed.
 */
export async function bringDesiredUp(context: OperationContext, retry: (name: string) => void): Promise<void> {
  const dependencies = dependenciesOf(context);
  const names = context.collection
    .list()
    .filter(({ record }) => record.desired !== "UNLOADED")
    .map(({ name }) => name);
  for (const name of names) if (isToServe(context, name)) context.upcoming.expect(name, 0);
  const tried = new Map<string, Promise<void>>();
  for (const name of loadOrder(names, dependencies)) {
    if (!names.includes(name)) continue;
    const before = (dependencies.get(name) ?? []).map((dependency) => tried.get(dependency));
    tried.set(
      name,
      Promise.all(before).then(() => restore(context, name, retry)),
    );
  }
  await Promise.all(tried.values());
}

const isToServe = ({ collection }: OperationContext, name: string): boolean =>
  collection.get(name)?.record.desired === "ACTIVE";

async function restore(context: OperationContext, name: string, retry: (name: string) => void): Promise<void> {
  try {
    await context.operations.inTurn(name, "LoadModule", async () => {
      const record = context.collection.get(name)?.record;
      const isIdle = record?.lifecycle.state === "UNLOADED" || record?.lifecycle.state === "FAILED";
      if (record === undefined || !isIdle || record.desired === "UNLOADED") return;
      try {
        checkDependencies(context, name);
      } catch (error) {
        context.upcoming.forget(name);
        const failure = { step: "dependencies", message: messageOf(error), time: context.clock.now() };
        context.log("modules", "warn", `module ${name} was not started`, { error: failure.message });
        await advance(context, name, CAUSE, { type: "failed", failure });
        return;
      }
      await bringUp(context, name, { activate: record.desired === "ACTIVE", cause: CAUSE, restarts: 0 });
    });
  } catch (error) {
    if (isReason(error, "SERVER_DRAINING")) return;
    if (faultIn(error) !== undefined) retry(name);
    // The failure itself is recorded and logged as a warning by then.
    context.log("modules", "debug", `module ${name} is not up`, { error: messageOf(error) });
  }
}
