import type { Breaker } from "../../breakers/live/describe.ts";
import { sameConfig } from "../../breakers/validate.ts";
import { isReason, messageOf } from "../../errors/error.ts";
import { breakerOf } from "../calls/call.ts";
import type { Registration } from "../record/record.ts";
import { withDefaults } from "../record/registration.ts";
import type { OperationContext } from "./context.ts";
import { persistently } from "./persist.ts";

/** The actor that opens a breaker when its module has used up its restarts. */
const SUPERVISOR = "helios:supervisor";

/** Returns the breaker of a module. Undefined before the first load has created it. */
export function findBreaker({ breakers }: OperationContext, name: string): Breaker | undefined {
  try {
    return breakers.get(breakerOf(name));
  } catch (error) {
    if (isReason(error, "BREAKER_NOT_FOUND")) return undefined;
    throw error;
  }
}

/**
 * Returns what opened the breaker of a module: failed calls, or the supervisor after too many restarts. Undefined if the
 * breaker is not open, or if a person decides about it, because that says nothing about the version that serves.
 */
export function openedBy(context: OperationContext, name: string): "FAILURES" | "SUPERVISOR" | undefined {
  const breaker = findBreaker(context, name);
  if (breaker?.override?.actor === SUPERVISOR) return "SUPERVISOR";
  return breaker?.state === "OPEN" && breaker.override === undefined ? "FAILURES" : undefined;
}

/** Opens the breaker of a module that has used up its restarts. A failure is logged. */
export async function openBreaker(context: OperationContext, name: string, reason: string): Promise<void> {
  try {
    await context.breakers.open(breakerOf(name), {}, { actor: SUPERVISOR, reason });
  } catch (error) {
    context.log("modules", "error", `the breaker of module ${name} could not be opened`, { error: messageOf(error) });
  }
}

/** Closes a breaker that the supervisor opened, because the module runs again. Rejects if the write fails. */
export async function closeSupervised(context: OperationContext, name: string): Promise<void> {
  if (openedBy(context, name) !== "SUPERVISOR") return;
  await context.breakers.reset(breakerOf(name), { actor: SUPERVISOR, reason: `module ${name} is started again` });
}

/** Closes a breaker that was opened by a version which does not serve any more. A failure is logged. */
export async function closeBreaker(context: OperationContext, name: string, reason: string): Promise<void> {
  if (openedBy(context, name) === undefined) return;
  try {
    await context.breakers.reset(breakerOf(name), { reason });
  } catch (error) {
    context.log("modules", "warn", `the breaker of module ${name} was not closed`, { error: messageOf(error) });
  }
}

/**
 * Applies the breaker's configuration of a new registration if it differs from the previous registration. Otherwise the
 * breaker keeps the configuration that an operator has set.
 */
export async function followBreaker(
  context: OperationContext,
  name: string,
  before: Registration,
  after: Registration,
): Promise<void> {
  const changed = !sameConfig(withDefaults(before).breaker, after.breaker);
  if (!changed || findBreaker(context, name) === undefined) return;
  await context.breakers.update(breakerOf(name), after.breaker, { reason: `module ${name} was replaced` });
}

/** Deletes the breaker of a deleted module. Repeats a failed write, unless a module with that name exists again. */
export async function deleteBreaker(context: OperationContext, name: string): Promise<void> {
  const attempt = async (): Promise<void> => {
    if (findBreaker(context, name) === undefined || context.collection.get(name) !== undefined) return;
    await context.breakers.delete(breakerOf(name), { reason: `module ${name} was deleted` });
  };
  await attempt().catch((error: unknown) => {
    context.log("modules", "warn", `the breaker of module ${name} was not deleted`, { error: messageOf(error) });
    void persistently(context, `the deletion of the breaker of module ${name}`, attempt).catch(() => {});
  });
}
