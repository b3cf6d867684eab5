// A process that counts the usage of flags: `counter.ts <directory> <client> <time>`. Prints how many reports are on the disk, a number
// per line. Each report asks once for each flag.
import { writeSync } from "node:fs";
import { createFlags } from "../../../../src/core/flags/flags.ts";
import { WRITE_USAGE_MS } from "../../../../src/core/flags/usage/usage.ts";
import { silentLog } from "../../../../src/core/log.ts";
import { Feed } from "../../../../src/core/store/feed.ts";
import { openSqliteStore } from "../../../../src/core/store/sqlite/open.ts";
import { createManualClock } from "../../../../src/kernel/clock.ts";
import { turn } from "../../../support/turns.ts";

/** More than are written in one transaction. */
export const COUNTED = Array.from({ length: 300 }, (_, n) => `flag-${n}`);

/** Flags over the database in that directory, at a wall time in ms. */
export async function openFlags(directory: string, startMs: number) {
  const clock = createManualClock(startMs);
  const store = await openSqliteStore({ directory, clock, newId: () => "incarnation" });
  const feed = new Feed(store);
  const file = { name: "flags.json", read: async () => "{}" };
  const flags = createFlags({ feed, clock, log: silentLog, file });
  await feed.start();
  await flags.start();
  return { clock, store, feed, flags };
}

const [directory = "", client = "", time] = process.argv.slice(2);
if (directory !== "") {
  const { clock, store, flags } = await openFlags(directory, Number(time));
  const missing = COUNTED.filter((name) => !flags.list().some((flag) => flag.name === name));
  await Promise.all(missing.map((name) => flags.create(name, { enabled: true })));
  const answers = [{ variant: "on", reason: "STATIC", errorCode: undefined, count: 1 } as const];
  const reports = COUNTED.map((name) => ({ name, answers }));
  const settled = (): string | undefined => store.daily.find(0, "usage/-/settled");
  for (let seq = 1; ; seq += 1) {
    await flags.reportUsage(client, seq, reports);
    const before = settled();
    clock.advance(WRITE_USAGE_MS);
    while (settled() === before) await turn();
    writeSync(1, `${seq}\n`);
  }
}
