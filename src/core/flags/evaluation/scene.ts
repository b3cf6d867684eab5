import type { Condition } from "../../../kernel/flags/condition/shared.ts";
import type { CompiledFlag } from "../../../kernel/flags/evaluate.ts";
import { HeliosError } from "../../errors/error.ts";
import { silentLog } from "../../log.ts";
import { createFlagCompiler } from "../compile.ts";
import type { ConditionCompiler } from "../condition.ts";
import type { Flag } from "../record.ts";
import type { FlagPast } from "./past.ts";

/** The flags at one revision and time: what an evaluation is made over. */
export interface Scene {
  readonly revision: number;
  /** Wall time in ms. */
  readonly nowMs: number;
  find(name: string): Flag | undefined;
  compiled(name: string): CompiledFlag | undefined;
  /** But for its prerequisites. */
  own(name: string): CompiledFlag | undefined;
  condition(name: string): Condition | undefined;
}

/** A time and a revision to look at flags by; what is absent is that of now, or of the other. */
export interface AsOf {
  /** The flags as they were at this revision of the store. */
  readonly revision?: number | undefined;
  /** Wall time in ms at which they are evaluated and, without a revision, at which they were so. It may be yet to come. */
  readonly time?: number | undefined;
}

/**
 * The flags that are named, and those that they need, as they were at that revision; `nowMs` absent: the time is that of
 * the revision. FLAG_REVISION_UNAVAILABLE where one of them, or the time, is not known any more.
 */
export async function pastScene(
  past: FlagPast,
  names: readonly string[],
  revision: number,
  nowMs: number | undefined,
  compileCondition: ConditionCompiler | undefined,
): Promise<Scene> {
  const flags = await gather(names, (name) => past.at(name, revision));
  const own = [...flags.values()].find((flag) => flag.revision === revision);
  const time = nowMs ?? own?.updateTime ?? (await past.timeOf(revision));
  if (time === undefined) {
    const problem = "its time is not kept any more; give at_time, or the revision of one of the flag's own changes";
    throw HeliosError.of("FLAG_REVISION_UNAVAILABLE", { revision, problem });
  }
  return sceneOf(flags, revision, time, compileCondition);
}

/**
 * The same as they were at that wall time in ms, and evaluated at it. The revision is the newest at which one of those
 * that are named, or that they need, had changed by then. FLAG_REVISION_UNAVAILABLE.
 */
export async function sceneAt(
  past: FlagPast,
  names: readonly string[],
  nowMs: number,
  compileCondition: ConditionCompiler | undefined,
): Promise<Scene> {
  let newest = 0;
  const flags = await gather(names, async (name) => {
    const { flag, revision } = await past.atTime(name, nowMs);
    newest = Math.max(newest, revision);
    return flag;
  });
  return sceneOf(flags, newest, nowMs, compileCondition);
}

async function gather(
  names: readonly string[],
  find: (name: string) => Promise<Flag | "deleted" | "not yet">,
): Promise<ReadonlyMap<string, Flag>> {
  const flags = new Map<string, Flag>();
  const asked = new Set(names);
  // A set tells what is added to it while it is walked through.
  for (const name of asked) {
    const flag = await find(name);
    if (typeof flag === "string") continue;
    flags.set(name, flag);
    for (const needed of flag.record.prerequisites ?? []) asked.add(needed);
  }
  return flags;
}

function sceneOf(
  flags: ReadonlyMap<string, Flag>,
  revision: number,
  nowMs: number,
  compileCondition: ConditionCompiler | undefined,
): Scene {
  const find = (name: string): Flag | undefined => flags.get(name);
  return { revision, nowMs, find, ...createFlagCompiler(find, compileCondition, silentLog) };
}
