import type { Steps } from "../../async/steps.ts";
import { type Rebucketing, rebucketing, refuseRebucketing } from "../changes/rebucket.ts";
import { settled, withPauseOf } from "../changes/schedule.ts";
import { type Flag, type FlagDefinition, sameDefinition, type Tombstone } from "../record.ts";
import { refusingMistakes } from "./mistakes.ts";
import type { FlagsFile } from "./parse.ts";
import type { FlagDifference, ReloadMode, ReloadPlan } from "./reload.ts";

/**
 * The changes after which the flags are as in the file, with these exceptions. A paused schedule stays paused if the file has
 * the same schedule; a schedule that its flag does not run is paused. A flag that a caller deleted stays deleted, a flag that
 * the file deleted comes back. A killed flag stays killed.
 *
 * A generator that does about a flag a step; it calls `tombstone` once for each flag of the file. FLAGS_FILE_INVALID if a
 * flag would have a missing prerequisite or itself as a prerequisite. FLAG_REBUCKETS with every flag whose keys would move,
 * unless `rebucket` is set.
 */
export function* planningReload(
  flags: readonly Flag[],
  tombstone: (name: string) => Tombstone | undefined,
  file: FlagsFile,
  { mode, rebucket }: { readonly mode: ReloadMode; readonly rebucket: boolean },
  nowMs: number,
): Steps<ReloadPlan> {
  const present = new Map<string, FlagDefinition>();
  const settledAt = new Map<string, FlagDefinition>();
  for (const { name, record, updateTime } of flags) {
    present.set(name, record);
    settledAt.set(name, settled(record, updateTime));
    yield;
  }
  const named = new Map<string, FlagDefinition>();
  const passedOver = new Set<string>();
  for (const { name, definition } of file.flags) {
    const deleted = tombstone(name);
    if (deleted !== undefined && deleted.byFile === undefined) passedOver.add(name);
    named.set(name, settled(withPauseOf(settledAt.get(name) ?? deleted, definition), nowMs));
    yield;
  }
  const stillKilled: string[] = [];
  const found: FlagDifference[] = [];
  const result = new Map<string, FlagDefinition>();
  for (const [name, record] of present) {
    result.set(name, record);
    yield;
  }
  const plan = (name: string, before: FlagDefinition | undefined, after: FlagDefinition | undefined): void => {
    if (before?.killed && !after?.killed) {
      stillKilled.push(name);
      return;
    }
    found.push({ name, ...(before && { before }), ...(after && { after }) });
    if (after === undefined) result.delete(name);
    else result.set(name, after);
  };
  for (const [name, after] of named) {
    yield;
    const before = present.get(name);
    if (passedOver.has(name) || (before !== undefined && sameDefinition(before, after))) continue;
    plan(name, before, after);
  }
  for (const [name, before] of mode === "REPLACE" ? present : []) {
    yield;
    if (!named.has(name)) plan(name, before, undefined);
  }
  const order = yield* refusingMistakes(result, present, settledAt, file, nowMs);
  if (!rebucket) {
    const moved: Rebucketing[] = [];
    for (const { name, after } of found) {
      yield;
      const one = after && rebucketing(name, settledAt.get(name), after, nowMs);
      if (one !== undefined) moved.push(one);
    }
    refuseRebucketing(moved);
  }
  const changed = new Set(found.map(({ name }) => name));
  const turns = new Map<string, number>();
  for (const name of order) {
    if (changed.has(name)) turns.set(name, turns.size);
    yield;
  }
  const turn = ({ name }: FlagDifference): number => turns.get(name) ?? turns.size;
  const differences = found.sort((a, b) => turn(a) - turn(b) || (a.name < b.name ? -1 : 1));
  return { differences, passedOver: [...passedOver], stillKilled: stillKilled.sort() };
}
