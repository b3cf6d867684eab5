import { createManualClock, type ManualClock } from "../../../src/core/clock.ts";
import { createFlags, type Flags } from "../../../src/core/flags/flags.ts";
import type { Log } from "../../../src/core/log.ts";
import { Feed } from "../../../src/core/store/feed.ts";
import { createMemoryStore } from "../../../src/core/store/memory.ts";
import type { Store } from "../../../src/core/store/store.ts";

export interface House {
  readonly flags: Flags;
  readonly clock: ManualClock;
  readonly store: Store;
  readonly feed: Feed;
  readonly logged: Parameters<Log>[];
  /** The flags file's text from now on; undefined: there is none; an error: reading it fails so. */
  write(text: string | Error | undefined): void;
  /** Another start on the same store. */
  restart(): Promise<House>;
}

/** Flags over a store in memory, started. Without `file` they begin with none, not with the defaults. */
export async function house(
  options: { file?: string | Error | undefined; store?: Store; clock?: ManualClock } = {},
): Promise<House> {
  const clock = options.clock ?? createManualClock();
  const store = options.store ?? createMemoryStore({ clock, incarnation: "incarnation" });
  const feed = new Feed(store);
  const logged: Parameters<Log>[] = [];
  let text: string | Error | undefined = "file" in options ? options.file : "{}";
  const flags = createFlags({
    feed,
    clock,
    log: (...entry) => logged.push(entry),
    readFile: async () => {
      if (text instanceof Error) throw text;
      return text;
    },
    fileName: "flags.json",
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
    restart: () => {
      feed.close();
      return house({ file: text, store, clock });
    },
  };
}
