import { messageOf } from "../../../errors/error.ts";
import type { Log } from "../../../log.ts";
import { Collection, type Resource } from "../../../store/collection.ts";
import type { Feed } from "../../../store/feed.ts";
import type { Cause } from "../../../store/store.ts";
import type { Served } from "../../record/record.ts";
import type { StepName, SwapReport } from "../../record/report.ts";

/** What a swap changes in one module. */
export interface Switch {
  readonly from: Served;
  readonly to: Served;
  /** Whether it takes traffic afterwards. */
  readonly activate: boolean;
}

/**
 * A swap as it is stored. Its phase says which versions serve, for all of its modules at once, whenever the service
 * ends. PREPARING and RETURNED: the old versions. TRIAL: the new ones, but the old ones again after a restart.
 * PERMANENT: the new ones.
 */
export interface SwapRecord {
  /** The caller's id, or a generated one. */
  readonly swapId: string;
  /** Of the request: the same id with another digest is refused. */
  readonly digest: string;
  readonly modules: readonly string[];
  readonly phase: "PREPARING" | "TRIAL" | "RETURNED" | "PERMANENT" | "ENDED";
  /** The present step, or the last one. */
  readonly step: StepName;
  /** The generations that were started for the swap, by module. */
  readonly candidates: Readonly<Record<string, number>>;
  /** Only of a rollback that ends the trial of a swap: that swap. */
  readonly returns?: Pick<SwapRecord, "modules" | "swapId">;
  /** By module; present from the commit to the end. */
  readonly switches?: Readonly<Record<string, Switch>>;
  /** By module; present after the end. */
  readonly reports?: Readonly<Record<string, SwapReport>>;
}

/**
 * Swaps of the same modules whose outcome is remembered by their `swap_id`. Beyond them the oldest are forgotten, and a
 * retry of such a swap runs again. @limit swaps
 */
const KEPT_SWAPS = 20;

/**
 * Swaps of several modules at once whose outcome is remembered, over all modules. Beyond them the oldest are forgotten.
 * @limit swaps
 */
const KEPT_GROUP_SWAPS = 1000;
/** The cause of the deletion of swaps. */
const FORGET: Cause = { action: "ForgetSwap" };

/** The swaps under way and the outcomes of the last ones. They survive restarts. */
export interface Journal {
  find(modules: readonly string[], swapId: string): SwapRecord | undefined;
  /** The swaps that have not ended. */
  unended(): readonly SwapRecord[];
  begin(swap: Pick<SwapRecord, "swapId" | "digest" | "modules" | "returns">): Promise<void>;
  /** Deletes the record of a swap. */
  forget(modules: readonly string[], swapId: string): Promise<void>;
  /** Deletes the records of all swaps of a module. */
  forgetModule(name: string): Promise<void>;
  /** Deletes the records of swaps of modules that do not exist. */
  sweep(isThere: (name: string) => boolean): Promise<void>;
  note(modules: readonly string[], swapId: string, more: Partial<SwapRecord>): Promise<void>;
  end(modules: readonly string[], swapId: string, reports: SwapRecord["reports"]): Promise<void>;
}

/** The key of a swap's record. No name of a module contains a `+` or a `/`. */
export function keyOf(modules: readonly string[], swapId: string): string {
  return `${modules.join("+")}/${swapId}`;
}

/** `flip` is called when a change of phase is durable, in one tick for all modules of the swap. */
export function createJournal(feed: Feed, log: Log, flip: (swap: SwapRecord) => void): Journal {
  const collection = new Collection<SwapRecord>(feed, "swap/");

  collection.onChange(({ before, resource }) => {
    if (resource === undefined || before?.phase === resource.record.phase) return;
    flip(resource.record);
  });

  const forgetWhere = (isMeant: (record: SwapRecord) => boolean): Promise<void> =>
    collection.deleteAll(
      collection.list().filter(({ record }) => isMeant(record)),
      FORGET,
    );

  const prune = async (modules: readonly string[]): Promise<void> => {
    const ended = collection
      .list()
      .filter(({ record }) => record.phase === "ENDED")
      .sort((a: Resource<SwapRecord>, b: Resource<SwapRecord>) => b.revision - a.revision);
    const ofThese = ended.filter(({ name }) => name.startsWith(keyOf(modules, "")));
    const ofSeveral = ended.filter(({ record }) => record.modules.length > 1);
    const old = new Set([...ofThese.slice(KEPT_SWAPS), ...ofSeveral.slice(KEPT_GROUP_SWAPS)]);
    await collection.deleteAll([...old], FORGET);
  };

  const write = async (
    key: string,
    action: string,
    change: (record: SwapRecord | undefined) => SwapRecord | undefined,
  ): Promise<void> => {
    await collection.change(key, { action }, (current) => change(current?.record));
  };

  return {
    find: (modules, swapId) => collection.get(keyOf(modules, swapId))?.record,
    unended: () =>
      collection
        .list()
        .map(({ record }) => record)
        .filter(({ phase }) => phase !== "ENDED"),
    begin: ({ swapId, digest, modules, returns }) =>
      write(keyOf(modules, swapId), "BeginSwap", () => ({
        swapId,
        digest,
        modules,
        ...(returns && { returns }),
        phase: "PREPARING",
        step: "verify",
        candidates: {},
      })),
    forgetModule: (name) => forgetWhere(({ modules }) => modules.includes(name)),
    sweep: (isThere) => forgetWhere(({ modules }) => !modules.every(isThere)),
    async forget(modules, swapId) {
      await collection.delete(keyOf(modules, swapId), FORGET);
    },
    note: (modules, swapId, more) =>
      write(keyOf(modules, swapId), "NoteSwap", (record) => record && { ...record, ...more }),
    async end(modules, swapId, reports) {
      await write(keyOf(modules, swapId), "EndSwap", (record) => {
        if (record === undefined) return undefined;
        const { switches: _, ...rest } = record;
        return { ...rest, phase: "ENDED", ...(reports === undefined ? {} : { reports }) };
      });
      await prune(modules).catch((error: unknown) =>
        log("modules", "warn", "old swaps could not be forgotten", { error: messageOf(error) }),
      );
    },
  };
}
