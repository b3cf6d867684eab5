import type { Clock } from "../../../kernel/clock.ts";
import { HeliosError } from "../../errors/error.ts";
import { refuse } from "../../errors/violation.ts";
import type { Resource } from "../../store/collection.ts";
import { type ConditionCompiler, conditionProblem, refuseCondition } from "../condition.ts";
import {
  asFlag,
  type Flag,
  type FlagDefinition,
  type FlagRecord,
  isTombstone,
  sameDefinition,
  type Tombstone,
} from "../record.ts";
import { definitionViolation, nameViolation } from "../validate.ts";
import type { AllowPast, AllowRebucketing } from "./options.ts";
import { checkPrerequisites, closureProblem, dependentsIn, growsBy } from "./prerequisites.ts";
import { rebucketing, refuseRebucketing } from "./rebucket.ts";
import { pauseViolation, refusePast, settled } from "./schedule.ts";

/** The effects of a change to which its caller has agreed. */
export interface Consent extends AllowPast, AllowRebucketing {}

/** A change of one flag, before it is decided. */
export interface FlagChange extends Consent {
  readonly name: string;
  /** The operation, as errors name it. */
  readonly action: string;
  /**
   * Computes the new definition. `flag` and `tombstone` are undefined if there is no flag, or no deleted flag, of the name.
   * Pure: it runs again if another writer was faster.
   */
  readonly decide: (flag: FlagDefinition | undefined, tombstone: Tombstone | undefined) => FlagDefinition;
  /** The definition was stored before, and may break rules that were added later. Default false. */
  readonly wasStored?: boolean;
}

/** Definitions by name, as they will be. */
export type PlannedFlags = ReadonlyMap<string, FlagDefinition>;

/** Applies the rules that all changes of flags must follow, for every operation. */
export interface FlagDecider {
  /**
   * The record to write; undefined if nothing changes. A schedule that the flag does not run is paused. `others`: the flags
   * that change at the same revision; then `checkClosures` is left to the caller.
   *
   * Throws FLAG_KILLED if a killed flag would be enabled, ARGUMENT_INVALID, FLAG_CONDITION_INVALID,
   * FLAG_PREREQUISITE_MISSING, FLAG_PREREQUISITE_CYCLE, FLAG_PREREQUISITES_TOO_MANY and FLAG_REBUCKETS.
   */
  decide(
    current: Resource<FlagRecord> | undefined,
    change: FlagChange,
    others?: PlannedFlags,
  ): FlagDefinition | undefined;
  /** FLAG_PREREQUISITES_TOO_MANY with that name if the change of all these flags lets one need too many. */
  checkClosures(name: string, planned: PlannedFlags): void;
}

export interface FlagDeciderDeps {
  readonly clock: Clock;
  readonly compileCondition: ConditionCompiler | undefined;
  /** The present flags. */
  readonly find: (name: string) => Flag | undefined;
  readonly list: () => readonly Flag[];
  /** The present flags that have it as a direct prerequisite. */
  readonly dependentsOf: (name: string) => ReadonlySet<string>;
}

export function createFlagDecider(deps: FlagDeciderDeps): FlagDecider {
  const { clock, compileCondition, find, list, dependentsOf } = deps;
  const check = (
    { name, action, wasStored }: FlagChange,
    before: FlagDefinition | undefined,
    after: FlagDefinition,
    others: PlannedFlags,
  ): void => {
    if (after.killed && after.enabled) throw HeliosError.of("FLAG_KILLED", { name, attempted: action });
    const known = wasStored ? after : before;
    refuse((before === undefined ? nameViolation(name) : undefined) ?? definitionViolation(after, known));
    if (after.condition !== undefined && after.condition !== before?.condition) {
      refuseCondition(name, conditionProblem(after.condition, compileCondition));
    }
    const { prerequisites = [] } = after;
    if (prerequisites.length === 0) return;
    const names = (): readonly string[] => [...list().map((flag) => flag.name), ...others.keys()];
    const needs = (each: string): readonly string[] | undefined => {
      const found = others.get(each) ?? find(each)?.record;
      return found && (found.prerequisites ?? []);
    };
    checkPrerequisites(name, prerequisites, before?.prerequisites ?? [], needs, names);
  };

  const checkClosures: FlagDecider["checkClosures"] = (name, planned) => {
    const before = (each: string): readonly string[] | undefined => find(each)?.record.prerequisites;
    const grown = [...planned].filter(([each, after]) => growsBy(before(each), after.prerequisites));
    if (grown.length === 0) return;
    const needs = (each: string) => (planned.get(each) ?? find(each)?.record)?.prerequisites;
    const dependents = dependentsIn([...planned].map(([each, { prerequisites = [] }]) => [each, prerequisites]));
    const neededBy = (each: string): Iterable<string> => {
      const unplanned = [...dependentsOf(each)].filter((dependent) => !planned.has(dependent));
      return [...unplanned, ...(dependents.get(each) ?? [])];
    };
    const problem = closureProblem(new Set(grown.map(([each]) => each)), neededBy, needs, before);
    if (problem !== undefined) throw HeliosError.of("FLAG_PREREQUISITES_TOO_MANY", { name, problem });
  };

  return {
    checkClosures,
    decide(current, change, others) {
      const { name, decide, allowPast = false, rebucket = false, wasStored = false } = change;
      const stored = asFlag(current)?.record;
      const before = current && asSettled(current);
      const tombstone = current !== undefined && isTombstone(current.record) ? current.record : undefined;
      const now = clock.now();
      const wanted = decide(before, tombstone);
      check(change, before, wanted, others ?? new Map());
      if (others === undefined) checkClosures(name, new Map([[name, wanted]]));
      if (!wasStored) refuse(pauseViolation(before, wanted, now));
      if (!allowPast) refusePast(before, wanted, now);
      const moved = rebucket ? undefined : rebucketing(name, before, wanted, now);
      if (moved !== undefined) refuseRebucketing([moved]);
      const after = settled(wanted, now);
      return stored !== undefined && sameDefinition(stored, after) ? undefined : after;
    },
  };
}

/** The flag as it is; a schedule that it does not run is paused, at the latest since its last change. */
function asSettled(resource: Resource<FlagRecord>): FlagDefinition | undefined {
  const flag = asFlag(resource);
  return flag && settled(flag.record, flag.updateTime);
}
