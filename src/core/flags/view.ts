import type { Condition } from "../../kernel/flags/condition/shared.ts";
import type { CompiledFlag } from "../../kernel/flags/evaluate.ts";
import { atOnce, type Steps } from "../async/steps.ts";
import type { Log } from "../log.ts";
import { Collection, type Delta, type Resource, sizing } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import { SortedItems } from "../store/sorted.ts";
import { Hub } from "../watch/hub.ts";
import { type AskedFlag, createFlagCompiler } from "./compile.ts";
import type { ConditionCompiler } from "./condition.ts";
import { Dependents } from "./dependents.ts";
import {
  asFlag,
  type Flag,
  type FlagDefinition,
  type FlagRecord,
  flagDelta,
  flagNotFound,
  isTombstone,
  type Tombstone,
} from "./record.ts";
import { checkFlagSize } from "./rules/size.ts";

/** The flags in memory, kept up to date by the feed. Only `collection` and `tombstone` show deleted flags. */
export interface FlagView {
  /** The records, with tombstones. */
  readonly collection: Collection<FlagRecord>;
  readonly hub: Hub<Delta<FlagDefinition>, Flag>;
  /** Throws FLAG_NOT_FOUND. */
  get(name: string): Flag;
  /** By name. */
  list(): readonly Flag[];
  /** The number of flags, and of those that are enabled. */
  count(): FlagCount;
  /** Does in steps what `list` and `count` would do at once when they are called first. */
  preparing(): Steps<void>;
  /** The tombstone of a deleted flag. */
  tombstone(name: string): Tombstone | undefined;
  /** Undefined if there is no such flag. */
  find(name: string): Flag | undefined;
  /** The compiled flag, to evaluate and count it. Undefined if there is no such flag. */
  asked(name: string): AskedFlag | undefined;
  /** The flag, compiled for evaluation. Undefined if there is no such flag. */
  compiled(name: string): CompiledFlag | undefined;
  /** The compiled flag without its prerequisites. Only its method `alone` may be used. */
  own(name: string): CompiledFlag | undefined;
  /** The compiled condition of the flag. Undefined if the flag has none, or there is no compiler. */
  condition(name: string): Condition | undefined;
  /** Whether `compiled` logs that the flag cannot be evaluated as it is stored. It keeps nothing of the flag. */
  isBroken(name: string): boolean;
  /** The names of the flags that have it as a direct prerequisite, in no particular order. */
  dependentsOf(name: string): ReadonlySet<string>;
}

export interface FlagCount {
  readonly total: number;
  readonly enabled: number;
}

/** Call it before the feed is started. */
export function createFlagView(feed: Feed, log: Log, compileCondition?: ConditionCompiler): FlagView {
  const collection = new Collection<FlagRecord>(feed, "flag/", checkFlagSize);
  const find = (name: string): Flag | undefined => asFlag(collection.get(name));
  let dependents: Dependents | undefined;
  const dependentsOf = (name: string): ReadonlySet<string> => {
    dependents ??= dependentsIn(collection.values());
    return dependents.of(name);
  };
  const compiler = createFlagCompiler(find, compileCondition, log, dependentsOf);

  // Collected when they are needed first, and then kept up to date.
  let present: Present | undefined;
  const presentNow = (): Present => {
    present ??= atOnce(collecting(collection.list()));
    return present;
  };
  const list = (): readonly Flag[] => presentNow().sorted.list();

  const hub = new Hub<Delta<FlagDefinition>, Flag>(feed, {
    prefix: collection.prefix,
    snapshot: list,
    find,
    decode: (change) => {
      const delta = collection.hub.source.decode(change);
      return delta && flagDelta(delta);
    },
    ...sizing,
  });

  collection.onApply((deltas) => {
    for (const { name, resource } of deltas) {
      const flag = asFlag(resource);
      present?.sorted.set(name, flag);
      if (flag?.record.enabled) present?.enabled.add(name);
      else present?.enabled.delete(name);
      dependents?.set(name, flag?.record.prerequisites);
    }
    for (const { name } of deltas) compiler.forget(name);
  });
  collection.onChange((delta) => {
    const { name, revision, cause } = delta;
    log("flags", "info", "flag changed", { name, revision, ...cause });
    hub.publish(flagDelta(delta));
  });

  return {
    collection,
    hub,
    list,
    find,
    count: () => ({ total: list().length, enabled: presentNow().enabled.size }),
    *preparing() {
      yield* collection.sorting();
      const from = collection.list();
      const collected = yield* collecting(from);
      // After a change meanwhile, it is collected when it is needed.
      if (collection.list() === from) present ??= collected;
    },
    get(name) {
      const flag = find(name);
      if (flag === undefined) throw flagNotFound(name);
      return flag;
    },
    tombstone(name) {
      const record = collection.get(name)?.record;
      return record !== undefined && isTombstone(record) ? record : undefined;
    },
    asked: compiler.asked,
    compiled: compiler.compiled,
    own: compiler.own,
    condition: compiler.condition,
    isBroken: compiler.isBroken,
    dependentsOf,
  };
}

interface Present {
  readonly sorted: SortedItems<Flag>;
  readonly enabled: Set<string>;
}

function* collecting(records: readonly Resource<FlagRecord>[]): Steps<Present> {
  const flags: Flag[] = [];
  const enabled = new Set<string>();
  for (const resource of records) {
    const flag = asFlag(resource);
    if (flag !== undefined) flags.push(flag);
    if (flag?.record.enabled) enabled.add(flag.name);
    yield;
  }
  return { sorted: new SortedItems(flags), enabled };
}

function dependentsIn(records: Iterable<Resource<FlagRecord>>): Dependents {
  const dependents = new Dependents();
  for (const resource of records) dependents.set(resource.name, asFlag(resource)?.record.prerequisites);
  return dependents;
}
