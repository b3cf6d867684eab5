import type { Condition } from "../../../kernel/flags/condition/shared.ts";
import type { CompiledFlag } from "../../../kernel/flags/evaluate.ts";
import { HeliosError } from "../../errors/error.ts";
import { silentLog } from "../../log.ts";
import { createFlagCompiler } from "../compile.ts";
import type { ConditionCompiler } from "../condition.ts";
import type { Flag } from "../record.ts";
import type { FlagPast } from "./past.ts";

/** The flags at one revision, and the time of an evaluation over them. */
export interface FlagSnapshot {
  readonly revision: number;
  /** Wall time in ms. */
  readonly nowMs: number;
  find(name: string): Flag | undefined;
  compiled(name: string): CompiledFlag | undefined;
  /** Without its prerequisites. */
  own(name: string): CompiledFlag | undefined;
  condition(name: string): Condition | undefined;
}

/** A revision and a time for an evaluation. If one is absent, the other determines it; if both are, it is now. */
export interface AsOf {
  /** Evaluate the flags of this revision of the store. */
  readonly revision?: number | undefined;
  /** Evaluate at this time, and without a revision the flags of this time. Wall time in ms; it may be in the future. */
  readonly time?: number | undefined;
}

/**
 * The named flags and their prerequisites at a revision. Without `nowMs`, the time is that of the revision.
 * Rejects with FLAG_REVISION_UNAVAILABLE if one of the flags, or the time, is no longer kept.
 */
export async function snapshotAtRevision(
  past: FlagPast,
  names: readonly string[],
  revision: number,
  nowMs: number | undefined,
  compileCondition: ConditionCompiler | undefined,
): Promise<FlagSnapshot> {
  const flags = await gather(names, (name) => past.at(name, revision));
  const own = [...flags.values()].find((flag) => flag.revision === revision);
  const time = nowMs ?? own?.updateTime ?? (await past.timeOf(revision));
  if (time === undefined) {
    const problem = "its time is no longer kept; give at_time, or the revision of one of the flag's own changes";
    throw HeliosError.of("FLAG_REVISION_UNAVAILABLE", { revision, problem });
  }
  return snapshotOf(flags, revision, time, compileCondition);
}

/**
 * The same at a wall time in ms. The revision is that of the last change of one of these flags before it. Rejects
 * with FLAG_REVISION_UNAVAILABLE.
 */
export async function snapshotAtTime(
  past: FlagPast,
  names: readonly string[],
  nowMs: number,
  compileCondition: ConditionCompiler | undefined,
): Promise<FlagSnapshot> {
  let newest = 0;
  const flags = await gather(names, async (name) => {
    const { flag, revision } = await past.atTime(name, nowMs);
    newest = Math.max(newest, revision);
    return flag;
  });
  return snapshotOf(flags, newest, nowMs, compileCondition);
}

async function gather(
  names: readonly string[],
  find: (name: string) => Promise<Flag | "deleted" | "not yet">,
): Promise<ReadonlyMap<string, Flag>> {
  const flags = new Map<string, Flag>();
  const asked = new Set(names);
  // The iteration also visits names that are added during it.
  for (const name of asked) {
    const flag = await find(name);
    if (typeof flag === "string") continue;
    flags.set(name, flag);
    for (const needed of flag.record.prerequisites ?? []) asked.add(needed);
  }
  return flags;
}

function snapshotOf(
  flags: ReadonlyMap<string, Flag>,
  revision: number,
  nowMs: number,
  compileCondition: ConditionCompiler | undefined,
): FlagSnapshot {
  const find = (name: string): Flag | undefined => flags.get(name);
  return { revision, nowMs, find, ...createFlagCompiler(find, compileCondition, silentLog) };
}
