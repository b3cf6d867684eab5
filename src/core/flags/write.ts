import type { Clock } from "../../kernel/clock.ts";
import { Serial } from "../async/serial.ts";
import { type By, causeOf } from "../change.ts";
import { HeliosError } from "../errors/error.ts";
import { refuse } from "../errors/violation.ts";
import type { Decided, Decision, Resource } from "../store/collection.ts";
import { checkPrerequisites, closureProblem, growsBy } from "./changes/prerequisites.ts";
import { rebucketing, refuseRebucketing } from "./changes/rebucket.ts";
import { pauseViolation, refusePast, settled } from "./changes/schedule.ts";
import { type ConditionCompiler, conditionProblem, refuseCondition } from "./condition.ts";
import {
  asFlag,
  type Flag,
  type FlagDefinition,
  type FlagRecord,
  flagNotFound,
  isTombstone,
  sameDefinition,
  type Tombstone,
} from "./record.ts";
import { definitionViolation, nameViolation } from "./validate.ts";
import type { FlagView } from "./view.ts";

/** What to write, decided over the flag as it is. Pure: it is asked again when another writer was faster. */
type Decide<Present> = (flag: Present) => FlagDefinition;

/** The same where there may be none, or one that was deleted. */
type DecideAny = (flag: FlagDefinition | undefined, tombstone: Tombstone | undefined) => FlagDefinition;

/** One of several updates that are made together. */
export interface PlannedUpdate {
  readonly name: string;
  /** In errors. */
  readonly action: string;
  readonly decide: DecideAny;
  /** Else FLAG_NOT_FOUND where there is no such flag. */
  readonly allowMissing: boolean;
  readonly consent: Consent;
}

/** What else a caller agrees to. */
export interface Consent {
  /** A schedule that has arrived before it is set. Default false: ARGUMENT_INVALID. */
  readonly allowPast?: boolean | undefined;
  /**
   * That another salt, bucket_by or other variants give keys of an enabled flag another answer. Default false:
   * FLAG_REBUCKETS.
   */
  readonly rebucket?: boolean | undefined;
}

interface Terms extends Consent {
  /** It was stored once, and may break rules that are younger. Default false. */
  readonly wasStored?: boolean;
}

/**
 * The ways to write a flag. A decision that changes nothing writes nothing. Whatever is decided, a killed flag is not
 * enabled (FLAG_KILLED), the schedule of a flag that does not run it is paused, and condition and prerequisites are
 * checked where they change.
 */
export interface FlagWriter {
  /** FLAG_ALREADY_EXISTS; FLAG_DELETED without `revive` where the name was deleted. */
  create(
    name: string,
    definition: FlagDefinition,
    revive: boolean,
    by: By | undefined,
    consent: Consent,
  ): Promise<Flag>;
  /** FLAG_NOT_FOUND. */
  change(
    name: string,
    action: string,
    by: By | undefined,
    decide: Decide<FlagDefinition>,
    consent?: Consent,
  ): Promise<Flag>;
  /** FLAG_NOT_FOUND without `allowMissing`; with it FLAG_DELETED where the name was deleted. */
  changeOrCreate(
    name: string,
    action: string,
    by: By | undefined,
    allowMissing: boolean | undefined,
    decide: Decide<FlagDefinition | undefined>,
    consent?: Consent,
  ): Promise<Flag>;
  /** Makes the flag what `decide` says that it was. FLAG_DELETED without `revive` where it was deleted since. */
  restore(
    name: string,
    decide: Decide<FlagDefinition | undefined>,
    revive: boolean,
    by: By | undefined,
    consent: Consent,
  ): Promise<Flag>;
  /** Leaves a tombstone. FLAG_NOT_FOUND, FLAG_HAS_DEPENDENTS. */
  delete(name: string, by: By | undefined): Promise<{ readonly flag: Flag; readonly revision: number }>;
  /**
   * Changes several flags at one revision, all or none. `plan` is pure; it is asked when nobody else writes, and again when
   * another writer was faster. What it throws is thrown on, and so are BATCH_TOO_LARGE and ETAG_MISMATCH.
   */
  together(
    action: string,
    by: By | undefined,
    plan: () => readonly Decision<FlagRecord>[],
  ): Promise<Decided<FlagRecord>>;
  /** Throws what `together` would reject with if the plan were made now; nothing is written. */
  rehearse(action: string, by: By | undefined, plan: readonly Decision<FlagRecord>[]): void;
  /**
   * What an update makes of a flag, for a plan; undefined: nothing changes. `others` are the flags that the same plan
   * changes, as they will be.
   */
  updated(update: PlannedUpdate, others: ReadonlyMap<string, FlagDefinition>): FlagDefinition | undefined;
  /** FLAG_PREREQUISITES_TOO_MANY where that flag begins to need others, together with what changes of `others`. */
  checkClosures(name: string, others: ReadonlyMap<string, FlagDefinition>): void;
  /**
   * Runs work that is about more than one flag, such as what needs what, while no other such work runs. `create`,
   * `restore` and `delete` are such work by themselves.
   */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

export function createFlagWriter(
  view: FlagView,
  clock: Clock,
  compileCondition: ConditionCompiler | undefined,
): FlagWriter {
  const { collection, find, get } = view;
  const turns = new Serial();
  const alone: FlagWriter["alone"] = (work) => turns.run(work);

  const check = (
    name: string,
    action: string,
    before: FlagDefinition | undefined,
    after: FlagDefinition,
    known: FlagDefinition | undefined,
    others: ReadonlyMap<string, FlagDefinition>,
  ): void => {
    if (after.killed && after.enabled) throw HeliosError.of("FLAG_KILLED", { name, attempted: action });
    refuse((before === undefined ? nameViolation(name) : undefined) ?? definitionViolation(after, known));
    if (after.condition !== undefined && after.condition !== before?.condition) {
      refuseCondition(name, conditionProblem(after.condition, compileCondition));
    }
    const { prerequisites = [] } = after;
    if (prerequisites.length === 0) return;
    const names = (): readonly string[] => [...view.list().map((flag) => flag.name), ...others.keys()];
    const needs = (each: string): readonly string[] | undefined => {
      const found = others.get(each) ?? find(each)?.record;
      return found && (found.prerequisites ?? []);
    };
    checkPrerequisites(name, prerequisites, before?.prerequisites ?? [], needs, names);
  };

  const checkClosures: FlagWriter["checkClosures"] = (name, others) => {
    const grown = [...others].filter(([each, after]) => growsBy(find(each)?.record.prerequisites, after.prerequisites));
    if (grown.length === 0) return;
    const all = new Map(view.list().map((flag) => [flag.name, flag.record.prerequisites ?? []]));
    for (const [each, { prerequisites = [] }] of others) all.set(each, prerequisites);
    const before = (each: string): readonly string[] | undefined => find(each)?.record.prerequisites;
    const problem = closureProblem(new Set(grown.map(([each]) => each)), all, (each) => all.get(each), before);
    if (problem !== undefined) throw HeliosError.of("FLAG_PREREQUISITES_TOO_MANY", { name, problem });
  };

  /** The record to write; undefined: nothing changes. */
  const decided = (
    current: Resource<FlagRecord> | undefined,
    name: string,
    action: string,
    decide: DecideAny,
    { allowPast = false, rebucket = false, wasStored = false }: Terms = {},
    others?: ReadonlyMap<string, FlagDefinition>,
  ): FlagDefinition | undefined => {
    const stored = asFlag(current)?.record;
    const before = current && asSettled(current);
    const tombstone = current !== undefined && isTombstone(current.record) ? current.record : undefined;
    const now = clock.now();
    const wanted = decide(before, tombstone);
    check(name, action, before, wanted, wasStored ? wanted : before, others ?? new Map());
    // Of several that change together what they need is looked at when all are decided.
    if (others === undefined) checkClosures(name, new Map([[name, wanted]]));
    if (!wasStored) refuse(pauseViolation(before, wanted, now));
    if (!allowPast) refusePast(before, wanted, now);
    const moved = rebucket ? undefined : rebucketing(name, before, wanted, now);
    if (moved !== undefined) refuseRebucketing([moved]);
    const after = settled(wanted, now);
    return stored !== undefined && sameDefinition(stored, after) ? undefined : after;
  };

  const write = async (
    name: string,
    action: string,
    by: By | undefined,
    decide: DecideAny,
    consent?: Terms,
  ): Promise<Flag> => {
    const written = await collection.change(
      name,
      causeOf(action, by),
      (current) => decided(current, name, action, decide, consent),
      by?.etag,
    );
    return asFlag(written) ?? get(name);
  };

  const change: FlagWriter["change"] = async (name, action, by, decide, consent) => {
    // Asked before the etag is compared: what does not exist has none.
    get(name);
    const decideOver = (flag: FlagDefinition | undefined): FlagDefinition => {
      if (flag === undefined) throw flagNotFound(name);
      return decide(flag);
    };
    return write(name, action, by, decideOver, consent);
  };

  return {
    alone,
    change,

    create: (name, definition, revive, by, consent) =>
      alone(() => {
        const decide = (flag: FlagDefinition | undefined, tombstone: Tombstone | undefined): FlagDefinition => {
          if (flag !== undefined) throw HeliosError.of("FLAG_ALREADY_EXISTS", { name });
          if (tombstone !== undefined && !revive) throw HeliosError.of("FLAG_DELETED", { name });
          return tombstone?.killed ? { ...definition, killed: true } : definition;
        };
        return write(name, "CreateFlag", { ...by, etag: undefined }, decide, consent);
      }),

    async changeOrCreate(name, action, by, allowMissing, decide, consent) {
      if (!allowMissing) return change(name, action, by, decide as Decide<FlagDefinition>, consent);
      const decideOver = (flag: FlagDefinition | undefined, tombstone: Tombstone | undefined): FlagDefinition => {
        if (tombstone !== undefined) throw HeliosError.of("FLAG_DELETED", { name });
        return decide(flag);
      };
      return write(name, action, by, decideOver, consent);
    },

    restore: (name, decide, revive, by, consent) =>
      alone(() => {
        const decideOver = (flag: FlagDefinition | undefined, tombstone: Tombstone | undefined): FlagDefinition => {
          if (tombstone !== undefined && !revive) throw HeliosError.of("FLAG_DELETED", { name });
          const definition = decide(flag);
          return (flag ?? tombstone)?.killed ? { ...definition, killed: true } : definition;
        };
        return write(name, "RevertFlag", by, decideOver, { ...consent, allowPast: true, wasStored: true });
      }),

    delete: (name, by) =>
      alone(async () => {
        let flag = get(name);
        const tombstone = await collection.change(
          name,
          causeOf("DeleteFlag", by),
          (current) => {
            const before = asFlag(current);
            if (before === undefined) throw flagNotFound(name);
            flag = before;
            const dependents = view.dependentsOf(name);
            if (dependents.length === 0) return tombstoneOf(before.record);
            throw HeliosError.of("FLAG_HAS_DEPENDENTS", { name, dependents: dependents.join(", ") });
          },
          by?.etag,
        );
        return { flag, revision: tombstone?.revision ?? flag.revision };
      }),

    checkClosures,

    together: (action, by, plan) => collection.batch(causeOf(action, by), plan),

    rehearse(action, by, plan) {
      causeOf(action, by);
      collection.rehearse(plan);
    },

    updated({ name, action, decide, allowMissing, consent }, others) {
      if (!allowMissing) get(name);
      return decided(collection.get(name), name, action, decide, consent, others);
    },
  };
}

/** The flag as it is; a schedule that it did not run stands still at least since its last change. */
function asSettled(resource: Resource<FlagRecord>): FlagDefinition | undefined {
  const flag = asFlag(resource);
  return flag && settled(flag.record, flag.updateTime);
}

/** What stays of a flag that is deleted. */
export function tombstoneOf({ killed }: FlagDefinition): Tombstone {
  return { deleted: true, ...(killed ? { killed } : {}) };
}

/** What stays of a flag that the flags file deletes; it deletes none that is killed. */
export function fileTombstoneOf({ gradual }: FlagDefinition): Tombstone {
  return { deleted: true, byFile: true, ...(gradual?.pausedAt === undefined ? {} : { gradual }) };
}
