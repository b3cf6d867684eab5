import { describe, expect, it } from "vitest";
import { createFlags } from "../../../src/core/flags/flags.ts";
import type { Log } from "../../../src/core/log.ts";
import { Feed } from "../../../src/core/store/feed.ts";
import { createMemoryStore } from "../../../src/core/store/memory/store.ts";
import { createManualClock } from "../../../src/kernel/clock.ts";
import { turn } from "../../support/turns.ts";

const stored = (record: object): string =>
  JSON.stringify({
    enabled: true,
    strategy: "ALL_ON",
    percentage: 0,
    whitelist: [],
    description: "",
    bucketBy: "SESSION_ID",
    salt: "s",
    bucketingVersion: 1,
    ...record,
  });

/** Flags that start on these records, and the conditions that were compiled. */
async function start(records: Readonly<Record<string, object>>) {
  const clock = createManualClock();
  const store = createMemoryStore({ clock, incarnation: "incarnation" });
  for (const [name, record] of Object.entries(records)) {
    await store.put(`flag/${name}`, stored(record), { cause: { action: "Test" } });
  }
  const feed = new Feed(store);
  const logged: Parameters<Log>[] = [];
  const flags = createFlags({
    feed,
    clock,
    log: (...entry) => logged.push(entry),
    file: { name: "flags.json", read: async () => "{}" },
    compileCondition(source) {
      if (source.startsWith("broken")) throw new Error(`${source} is not a condition`);
      return () => true;
    },
  });
  await feed.start();
  await flags.start();
  for (let passed = 0; passed < 20; passed += 1) await turn();
  return { flags, errors: () => logged.filter(([, level]) => level === "error") };
}

describe("a start with stored flags", () => {
  it("lists and counts them, and every change after it", async () => {
    const { flags } = await start({ b: {}, a: { enabled: false }, c: {} });
    const names = () => flags.list().map(({ name }) => name);
    expect([names(), flags.count()]).toEqual([["a", "b", "c"], { total: 3, enabled: 2 }]);
    await flags.enable("a");
    await flags.delete("c");
    await flags.create("d", { enabled: true });
    await flags.disable("b");
    expect([names(), flags.count()]).toEqual([["a", "b", "d"], { total: 3, enabled: 2 }]);
  });

  it("logs each condition that cannot be read, without an evaluation, and only once", async () => {
    const { flags, errors } = await start({ bad: { condition: "broken" }, good: { condition: "fine" }, plain: {} });
    const message = "the condition of a stored flag cannot be read";
    const expected = [
      ["flags", "error", message, { name: "bad", source: "broken", error: "broken is not a condition" }],
    ];
    expect(errors()).toEqual(expected);
    expect(flags.evaluate("bad")).toMatchObject({ enabled: false, errorCode: "CONDITION_FAILED" });
    expect(flags.evaluate("good")).toMatchObject({ enabled: true });
    expect(errors()).toEqual(expected);
  });

  it("logs each flag that needs too many flags, without an evaluation, and only once", async () => {
    const needed = Array.from({ length: 300 }, (_, at) => [`n${at}`, { prerequisites: [`n${at + 1}`] }] as const);
    const { flags, errors } = await start({
      ...Object.fromEntries(needed),
      n300: {},
      calm: { prerequisites: ["n60"] },
    });
    const names = errors().map(([, , message, fields]) => [message, fields?.name]);
    const expected = needed
      .slice(0, 300 - 256)
      .map(([name]) => ["a stored flag needs too many flags, and is off", name])
      .sort();
    expect(names.sort()).toEqual(expected);
    expect(flags.evaluate("n0")).toMatchObject({ errorCode: "TOO_MANY_PREREQUISITES" });
    expect(flags.evaluate("calm")).toMatchObject({ enabled: true });
    expect(errors()).toHaveLength(expected.length);
  });
});
