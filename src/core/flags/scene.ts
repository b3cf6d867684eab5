import { HeliosError } from "../errors.ts";
import { silentLog } from "../log.ts";
import { createFlagCompiler } from "./compile.ts";
import type { ConditionCompiler } from "./condition.ts";
import type { Flag } from "./definition.ts";
import type { CompiledFlag, Condition } from "./evaluate.ts";
import type { FlagPast } from "./past.ts";

/** The flags at one revision and time: what an evaluation is made over. */
export interface Scene {
  readonly revision: number;
  /** Wall time in ms. */
  readonly nowMs: number;
  find(name: string): Flag | undefined;
  compiled(name: string): CompiledFlag | undefined;
  condition(name: string): Condition | undefined;
}

/**
 * The flags that are named, and those that they need, as they were at that revision; the time is that of the revision.
 * FLAG_REVISION_UNAVAILABLE where one of them, or the time, is not known any more.
 */
export async function pastScene(
  past: FlagPast,
  names: readonly string[],
  revision: number,
  compileCondition: ConditionCompiler | undefined,
): Promise<Scene> {
  const flags = new Map<string, Flag>();
  const asked = new Set(names);
  // A set tells what is added to it while it is walked through.
  for (const name of asked) {
    const flag = await past.at(name, revision);
    if (typeof flag === "string") continue;
    flags.set(name, flag);
    for (const needed of flag.record.prerequisites ?? []) asked.add(needed);
  }
  const own = [...flags.values()].find((flag) => flag.revision === revision);
  const nowMs = own?.updateTime ?? (await past.timeOf(revision));
  if (nowMs === undefined) {
    const problem = "its time is not kept any more; ask for the revision of one of the flag's own changes";
    throw HeliosError.of("FLAG_REVISION_UNAVAILABLE", { revision, problem });
  }
  const find = (name: string): Flag | undefined => flags.get(name);
  return { revision, nowMs, find, ...createFlagCompiler(find, compileCondition, silentLog) };
}
