import { describe, expect, it } from "vitest";
import { createManualClock, createMemoryStore, Feed } from "../../../src/core/index.ts";
import { createHints, MOST_RECENT, RECENT_MS } from "../../../src/core/status/hints.ts";

async function setUp(keptChanges = 100_000) {
  const clock = createManualClock();
  const store = createMemoryStore({ clock, incarnation: "one", keptChanges });
  const feed = new Feed(store);
  await feed.start();
  const hints = createHints(feed);
  const put = async (key: string, action: string, value: unknown = {}, actor?: string) => {
    clock.advance(1000);
    const cause = { action, ...(actor === undefined ? {} : { actor }) };
    return (await store.put(key, JSON.stringify(value), { cause })).revision;
  };
  const move = (name: string, state: string, action: string) => put(`breaker/${name}`, action, { state });
  return { clock, store, hints, put, move };
}

describe("the recent changes", () => {
  it("are those of flags and modules, newest first, before the given time", async () => {
    const { clock, hints, put } = await setUp();
    await put("flag/new_risk", "SetPercentage", {}, "alice");
    await put("run/1", "RunTests");
    await put("module/pricing", "SwapModule");
    const revision = await put("breaker/exchange", "Trip");
    const time = clock.now();
    await put("flag/later", "EnableFlag");
    expect(await hints.before(revision, time)).toEqual([
      { domain: "MODULES", name: "pricing", revision: 3, time: time - 1000, cause: { action: "SwapModule" } },
      {
        domain: "FLAGS",
        name: "new_risk",
        revision: 1,
        time: time - 3000,
        cause: { action: "SetPercentage", actor: "alice" },
      },
    ]);
  });

  it(`cover the last ${RECENT_MS / 1000} s, and at most ${MOST_RECENT} changes`, async () => {
    const { clock, hints, put } = await setUp();
    await put("flag/old", "EnableFlag");
    clock.advance(RECENT_MS - 1000);
    await put("flag/just", "EnableFlag");
    for (let n = 0; n < 2; n += 1) await put(`flag/${n}`, "EnableFlag");
    const few = await hints.before(5, clock.now() - 2000);
    expect(few.map(({ name }) => name)).toEqual(["1", "0", "just", "old"]);
    expect((await hints.before(6, clock.now())).map(({ name }) => name)).toEqual(["1", "0", "just"]);
    for (let n = 0; n < 20; n += 1) await put(`flag/${n}`, "EnableFlag");
    expect((await hints.before(100, clock.now())).map(({ name }) => name)).toEqual(
      Array.from({ length: MOST_RECENT }, (_, n) => String(19 - n)),
    );
  });

  it("are those that remain if the journal is compacted", async () => {
    const { clock, store, hints, put } = await setUp();
    for (let n = 0; n < 5; n += 1) await put(`flag/${n}`, "EnableFlag");
    await store.compact(3);
    expect((await hints.before(6, clock.now())).map(({ name }) => name)).toEqual(["4", "3"]);
    await store.compact(5);
    expect(await hints.before(5, clock.now())).toEqual([]);
  });
});

describe("the reason why a breaker is open", () => {
  it("is the transition that first opened it since it was closed, with the changes before that", async () => {
    const { hints, put, move } = await setUp();
    await move("exchange", "OPEN", "Trip");
    await move("exchange", "CLOSED", "Close");
    await put("module/pricing", "SwapModule");
    const trip = await move("exchange", "OPEN", "Trip");
    await move("exchange", "HALF_OPEN", "HalfOpen");
    await put("flag/unrelated", "EnableFlag");
    await move("exchange", "OPEN", "Reopen");
    const openedBy = await hints.openedBy("exchange");
    expect(openedBy).toMatchObject({ cause: { action: "Trip" }, recent: [{ name: "pricing", revision: trip - 1 }] });
  });

  it("is not searched if an operator holds the breaker open", async () => {
    const { hints, put } = await setUp();
    await put("module/pricing", "SwapModule");
    const holds = [{ kind: "FORCED_OPEN" }];
    await put("breaker/exchange", "OpenBreaker", { state: "CLOSED", holds }, "bob");
    expect(await hints.openedBy("exchange")).toMatchObject({
      cause: { action: "OpenBreaker", actor: "bob" },
      recent: [],
    });
  });

  it("is unknown for a breaker that is closed, deleted or unknown", async () => {
    const { store, hints, move } = await setUp();
    await move("closed", "CLOSED", "Close");
    await move("gone", "OPEN", "Trip");
    await store.delete("breaker/gone", { cause: { action: "DeleteBreaker" } });
    for (const name of ["closed", "gone", "none"]) expect(await hints.openedBy(name)).toBeUndefined();
  });
});
