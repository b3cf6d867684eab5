import { REASON_LIMIT } from "../../change.ts";
import { cut } from "../../text/cut.ts";
import type { Health } from "../calls/generation/health.ts";
import type { OperationContext } from "../operations/context.ts";
import { isRunning } from "../record/lifecycle.ts";
import type { ModuleRecord } from "../record/record.ts";

/**
 * Stores that the running generation has become unhealthy or healthy again. Rejects if this generation is not yet recorded as
 * running. The caller then tries again.
 */
export async function noteHealth(
  { collection, log }: OperationContext,
  name: string,
  generation: number,
  { state, message, since }: Health,
): Promise<void> {
  const isUnhealthy = state === "UNHEALTHY";
  const cause = isUnhealthy ? { action: "Unhealthy", reason: cut(message, REASON_LIMIT) } : { action: "Healthy" };
  let isNews = false;
  await collection.change(name, cause, (current) => {
    const { lifecycle } = current?.record ?? {};
    if (current === undefined || lifecycle === undefined || !isRunning(lifecycle)) throw new Error("it does not run");
    if (lifecycle.running.generation !== generation) throw new Error("another generation runs");
    const { unhealthy, ...rest }: ModuleRecord = current.record;
    const known = unhealthy?.generation === generation ? unhealthy.since : undefined;
    isNews = known !== (isUnhealthy ? since : undefined);
    if (!isNews) return undefined;
    return isUnhealthy ? { ...rest, unhealthy: { generation, message, since } } : rest;
  });
  if (!isNews) return;
  if (isUnhealthy) log("modules", "warn", `module ${name} is unhealthy`, { generation, why: message });
  else log("modules", "info", `module ${name} is healthy again`, { generation });
}
