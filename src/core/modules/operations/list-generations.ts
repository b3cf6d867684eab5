import type { ResolvedModule } from "../host/types/host.ts";
import { isRunning } from "../record/lifecycle.ts";
import type { GenerationRecord } from "../record/record.ts";
import { getModule, type OperationContext } from "./context.ts";

/**
 * STARTING: its code is being started. CANDIDATE: it is tested, and takes no traffic except that of a canary. CURRENT: it
 * serves. STANDBY: it serves again if the bake of its successor fails. DRAINING: it completes the calls that it has begun.
 * RETIRED: it served once. FAILED: it never served, or ended by itself.
 */
export type GenerationState = "STARTING" | "CANDIDATE" | "CURRENT" | "STANDBY" | "DRAINING" | "RETIRED" | "FAILED";

/** One start of a module's code. */
export interface GenerationView {
  readonly number: number;
  readonly state: GenerationState;
  /** Empty while it starts. */
  readonly version: string;
  readonly code: ResolvedModule;
  readonly configVersion: number | undefined;
  readonly startTime: number;
  readonly endTime: number | undefined;
  /** Why it ended. */
  readonly end: string;
  readonly inFlight: number;
}

/** Returns all generations of a module that live or are recorded, newest first. Throws MODULE_NOT_FOUND. */
export function listGenerations(context: OperationContext, name: string): readonly GenerationView[] {
  const { record } = getModule(context, name);
  const views = new Map<number, GenerationView>();
  const serving = isRunning(record.lifecycle) ? record.lifecycle.running.generation : 0;
  for (const one of record.generations) {
    const { number, version, code, configVersion, startTime, endTime, end = "" } = one;
    const base = { number, version, code, configVersion, startTime, endTime, end, inFlight: 0 };
    views.set(number, { ...base, state: stateOf(one, serving) });
  }
  const { starting, started } = context.generations.living(name);
  for (const { number, code, startTime } of starting) {
    const base = { number, version: "", code, configVersion: undefined, startTime, endTime: undefined, end: "" };
    views.set(number, { ...base, inFlight: 0, state: "STARTING" });
  }
  for (const { number, code, running, phase, inFlight, ending, endTime } of started) {
    const known = views.get(number);
    const { version, loadTime } = running;
    const state = number === serving ? "CURRENT" : phase;
    const base = {
      version,
      code,
      configVersion: undefined,
      startTime: loadTime,
      endTime: undefined,
      end: "",
      ...known,
      ...(ending === undefined ? {} : { endTime: known?.endTime ?? endTime, end: known?.end || ending.description }),
    };
    views.set(number, { ...base, number, inFlight, state: ending === undefined ? state : "FAILED" });
  }
  return [...views.values()].sort((a, b) => b.number - a.number);
}

function stateOf({ number, served, end }: GenerationRecord, serving: number): GenerationState {
  if (number === serving) return "CURRENT";
  if (!served) return "FAILED";
  return end?.startsWith("crashed") ? "FAILED" : "RETIRED";
}
