import type { Log } from "../log.ts";
import { Collection, type Delta } from "../store/collection.ts";
import type { Feed } from "../store/feed.ts";
import { Hub } from "../watch/hub.ts";
import { asFlag, type Flag, type FlagDefinition, type FlagRecord, flagDelta, flagNotFound } from "./definition.ts";
import { type CompiledFlag, compileFlag } from "./evaluate.ts";

/** The flags as the feed tells them; nobody beyond it sees a tombstone. */
export interface FlagView {
  /** With tombstones: for writing. */
  readonly collection: Collection<FlagRecord>;
  readonly hub: Hub<Delta<FlagDefinition>, Flag>;
  /** FLAG_NOT_FOUND. */
  get(name: string): Flag;
  /** By name. */
  list(): readonly Flag[];
  isDeleted(name: string): boolean;
  /** Ready for evaluation; compiled once per revision. Undefined: there is no such flag. */
  compiled(name: string): CompiledFlag | undefined;
}

/** Before the feed is started. */
export function createFlagView(feed: Feed, log: Log): FlagView {
  const collection = new Collection<FlagRecord>(feed, "flag/");
  const compiled = new Map<string, CompiledFlag>();

  const list = (): readonly Flag[] =>
    collection
      .list()
      .map(asFlag)
      .filter((flag) => flag !== undefined);

  const hub = new Hub<Delta<FlagDefinition>, Flag>(feed, {
    prefix: collection.prefix,
    snapshot: list,
    decode: (change) => {
      const delta = collection.hub.source.decode(change);
      return delta && flagDelta(delta);
    },
  });

  collection.onChange((delta) => {
    const { name, revision, cause } = delta;
    compiled.delete(name);
    log("flags", "info", "flag changed", { name, revision, ...cause });
    hub.publish(flagDelta(delta));
  });

  return {
    collection,
    hub,
    list,
    get(name) {
      const flag = asFlag(collection.get(name));
      if (flag === undefined) throw flagNotFound(name);
      return flag;
    },
    isDeleted: (name) => collection.get(name) !== undefined && asFlag(collection.get(name)) === undefined,
    compiled(name) {
      const known = compiled.get(name);
      if (known !== undefined) return known;
      const flag = asFlag(collection.get(name));
      if (flag === undefined) return undefined;
      const fresh = compileFlag({ ...flag.record, name, revision: flag.revision });
      compiled.set(name, fresh);
      return fresh;
    },
  };
}
