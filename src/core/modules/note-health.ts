import { REASON_LIMIT } from "../change.ts";
import { cut } from "../size.ts";
import type { Health } from "./health.ts";
import { isRunning } from "./lifecycle.ts";
import type { ModuleRecord } from "./record.ts";
import type { Room } from "./room.ts";

/** Stores that the generation which runs has become unhealthy, or is well again; of another one nothing. */
export async function noteHealth(
  { collection, log }: Room,
  name: string,
  generation: number,
  { state, message, since }: Health,
): Promise<void> {
  const isUnhealthy = state === "UNHEALTHY";
  const cause = isUnhealthy ? { action: "Unhealthy", reason: cut(message, REASON_LIMIT) } : { action: "Healthy" };
  const written = await collection.change(name, cause, (current) => {
    if (current === undefined || !isRunning(current.record.lifecycle)) return undefined;
    const { unhealthy, ...rest }: ModuleRecord = current.record;
    if (current.record.lifecycle.running.generation !== generation) return undefined;
    if (isUnhealthy) return { ...rest, unhealthy: { generation, message, since } };
    return unhealthy === undefined ? undefined : rest;
  });
  if (written === undefined) return;
  if (isUnhealthy) log("modules", "warn", `module ${name} is unhealthy`, { generation, why: message });
  else log("modules", "info", `module ${name} is well again`, { generation });
}
