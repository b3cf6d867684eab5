import { messageOf } from "../../../errors/error.ts";
import type { Log } from "../../../log.ts";
import { Collection, type Resource } from "../../../store/collection.ts";
import type { Feed } from "../../../store/feed.ts";
import type { Cause } from "../../../store/store.ts";
import type { Served } from "../../record/record.ts";
import type { StepName, SwapReport } from "../../record/report.ts";

/** The change of one module by a swap. */
export interface Switch {
  readonly from: Served;
  readonly to: Served;
  /** Whether the module takes traffic afterwards. */
  readonly activate: boolean;
}

/**
 * The journal entry of a swap. Its phase says which versions of all its modules serve, even if the service ends at any time.
 * PREPARING and RETURNED: the old versions. TRIAL, the stored name of a bake: the new ones, but after a restart the old ones again.
 * PERMANENT: the new ones.
 */
export interface SwapRecord {
  /** The caller's id, or a generated one. */
  readonly swapId: string;
  /** The content of the request, as canonical JSON. The same id with other content is refused. */
  readonly digest: string;
  readonly modules: readonly string[];
  readonly phase: "PREPARING" | "TRIAL" | "RETURNED" | "PERMANENT" | "ENDED";
  /** The current step, or the last one. */
  readonly step: StepName;
  /** The generations that were started for the swap, by module. */
  readonly candidates: Readonly<Record<string, number>>;
  /** Only for a rollback that ends the bake of a swap: that swap. */
  readonly returns?: SwapKey;
  /** The changes by module, from the commit to the end. */
  readonly switches?: Readonly<Record<string, Switch>>;
  /** The reports by module, after the end. */
  readonly reports?: Readonly<Record<string, SwapReport>>;
}

/** What identifies a swap. */
export type SwapKey = Pick<SwapRecord, "modules" | "swapId">;

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

/** The swaps in progress, and the outcomes of the last ones. They survive restarts. */
export interface Journal {
  find(swap: SwapKey): SwapRecord | undefined;
  /** The swaps that have not ended. */
  unended(): readonly SwapRecord[];
  begin(swap: Pick<SwapRecord, "swapId" | "modules" | "returns"> & { readonly content: string }): Promise<void>;
  /** Deletes the record of a swap. */
  forget(swap: SwapKey): Promise<void>;
  /** Deletes the records of all swaps of a module. */
  forgetModule(name: string): Promise<void>;
  /** Deletes the records of swaps of modules that do not exist. */
  sweep(isThere: (name: string) => boolean): Promise<void>;
  note(swap: SwapKey, more: Partial<SwapRecord>): Promise<void>;
  end(swap: SwapKey, reports: SwapRecord["reports"]): Promise<void>;
}

/** The key of a swap's record. No name of a module contains a `+` or a `/`. */
export function keyOf({ modules, swapId }: SwapKey): string {
  return `${modules.join("+")}/${swapId}`;
}

/** `flip` is called when a change of the phase is durable. It must act for all modules of the swap in the same tick. */
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
    const ofThese = ended.filter(({ name }) => name.startsWith(keyOf({ modules, swapId: "" })));
    const ofSeveral = ended.filter(({ record }) => record.modules.length > 1);
    const old = new Set([...ofThese.slice(KEPT_SWAPS), ...ofSeveral.slice(KEPT_GROUP_SWAPS)]);
    await collection.deleteAll([...old], FORGET);
  };

  const write = async (
    swap: SwapKey,
    action: string,
    change: (record: SwapRecord | undefined) => SwapRecord | undefined,
  ): Promise<void> => {
    await collection.change(keyOf(swap), { action }, (current) => change(current?.record));
  };

  return {
    find: (swap) => collection.get(keyOf(swap))?.record,
    unended: () =>
      collection
        .list()
        .map(({ record }) => record)
        .filter(({ phase }) => phase !== "ENDED"),
    begin: ({ swapId, content, modules, returns }) =>
      write({ swapId, modules }, "BeginSwap", () => ({
        swapId,
        digest: content,
        modules,
        ...(returns && { returns }),
        phase: "PREPARING",
        step: "verify",
        candidates: {},
      })),
    forgetModule: (name) => forgetWhere(({ modules }) => modules.includes(name)),
    sweep: (isThere) => forgetWhere(({ modules }) => !modules.every(isThere)),
    async forget(swap) {
      await collection.delete(keyOf(swap), FORGET);
    },
    note: (swap, more) => write(swap, "NoteSwap", (record) => record && { ...record, ...more }),
    async end(swap, reports) {
      await write(swap, "EndSwap", (record) => {
        if (record === undefined) return undefined;
        const { switches: _, ...rest } = record;
        return { ...rest, phase: "ENDED", ...(reports === undefined ? {} : { reports }) };
      });
      await prune(swap.modules).catch((error: unknown) =>
        log("modules", "warn", "old swaps could not be forgotten", { error: messageOf(error) }),
      );
    },
  };
}
