import { expect } from "vitest";
import { type ConditionCompiler, ConditionError } from "../../../src/core/flags/condition.ts";
import { createFlags } from "../../../src/core/flags/flags.ts";
import type { Flags } from "../../../src/core/flags/types.ts";
import type { Log } from "../../../src/core/log.ts";
import { Feed } from "../../../src/core/store/feed.ts";
import { createMemoryStore } from "../../../src/core/store/memory/store.ts";
import type { Store } from "../../../src/core/store/store.ts";
import { createManualClock, type ManualClock } from "../../../src/kernel/clock.ts";
import { referenceCondition } from "../../kernel/flags/reference.ts";

export interface FlagsRig {
  readonly flags: Flags;
  readonly clock: ManualClock;
  readonly store: Store;
  readonly feed: Feed;
  readonly logged: Parameters<Log>[];
  /** Sets the text of the flags file. Undefined: there is no file. An error: reading fails with it. */
  write(text: string | Error | undefined): void;
  /** A restart on the same store. */
  restart(): Promise<FlagsRig>;
}

/** Started flags over a store in memory. Without `file` there are no flags, not even the defaults. */
export async function flagsRig(
  options: {
    file?: string | Error | undefined;
    store?: Store;
    clock?: ManualClock;
    followFile?: "MERGE" | "REPLACE";
  } = {},
): Promise<FlagsRig> {
  const clock = options.clock ?? createManualClock();
  const store = options.store ?? createMemoryStore({ clock, incarnation: "incarnation" });
  const feed = new Feed(store);
  const logged: Parameters<Log>[] = [];
  let text: string | Error | undefined = "file" in options ? options.file : "{}";
  const flags = createFlags({
    feed,
    clock,
    log: (...entry) => logged.push(entry),
    file: {
      name: "flags.json",
      read: async () => {
        if (text instanceof Error) throw text;
        return text;
      },
    },
    followFile: options.followFile,
    compileCondition,
  });
  await feed.start();
  await flags.start();
  return {
    flags,
    clock,
    store,
    feed,
    logged,
    write: (next) => {
      text = next;
    },
    async restart() {
      await flags.close();
      feed.close();
      const { followFile } = options;
      return flagsRig({ file: text, store, clock, ...(followFile === undefined ? {} : { followFile }) });
    },
  };
}

/** Knows two conditions, and refuses any other text. */
const compileCondition: ConditionCompiler = (source) => {
  if (source === "is BTCZAR" || source === "is fast") return (context) => referenceCondition(source, context);
  throw new ConditionError(`${source} is not known`, "is BTCZAR or is fast", "line 1, column 1");
};

/** Matches an error with this reason and at least this metadata. */
export const reason = (expected: string, metadata: Record<string, string> = {}): unknown =>
  expect.objectContaining({ reason: expected, metadata: expect.objectContaining(metadata) });
