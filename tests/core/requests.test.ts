import { beforeEach, describe, expect, it } from "vitest";
import { createManualClock, createMemoryStore, Feed, type ManualClock, type Store } from "../../src/core/index.ts";
import { createRequestLog, REPLAY_WINDOW_MS, type RequestLog } from "../../src/core/requests.ts";

let clock: ManualClock;
let store: Store;

beforeEach(() => {
  clock = createManualClock();
  store = createMemoryStore({ clock, incarnation: "one" });
});

async function open(): Promise<RequestLog> {
  const feed = new Feed(store);
  const log = createRequestLog({ feed, clock });
  await feed.start();
  return log;
}

const answered = { digest: "d", answer: "a" };

describe("the request log", () => {
  it("finds what was answered within the window, and not after it", async () => {
    const log = await open();
    expect(log.find("1")).toBeUndefined();
    await log.remember("1", answered);
    clock.advance(REPLAY_WINDOW_MS);
    expect(log.find("1")).toEqual(answered);
    clock.advance(1);
    expect(log.find("1")).toBeUndefined();
  });

  it("finds what was answered anew after the window, before the old answer was taken out of the store", async () => {
    const log = await open();
    await log.remember("1", answered);
    clock.advance(REPLAY_WINDOW_MS + 1);
    await log.remember("1", { digest: "d", answer: "b" });
    expect(log.find("1")).toMatchObject({ answer: "b" });
  });

  it("sets no timer once it is closed, even from a sweep under way", async () => {
    const log = await open();
    await log.remember("1", answered);
    let timers = 0;
    const setTimer = clock.setTimer;
    clock.setTimer = (delayMs, run) => {
      timers += 1;
      return setTimer(delayMs, run);
    };
    clock.advance(REPLAY_WINDOW_MS / 10);
    log.close();
    await new Promise((resolve) => setImmediate(resolve));
    expect(timers).toBe(0);
  });

  it("remembers across a restart", async () => {
    await (await open()).remember("1", answered);
    expect((await open()).find("1")).toEqual(answered);
  });

  it("keeps long answers out of the store, finds them within the window, and forgets the oldest of too many", async () => {
    const log = await open();
    const long = { digest: "d", answer: "x".repeat(30 * 1024 * 1024) };
    await log.remember("1", long);
    await log.remember("2", long);
    expect(log.find("1")).toMatchObject({ digest: "d" });
    expect((await store.list("request/")).entries).toEqual([]);
    await log.remember("3", long);
    expect(["1", "2", "3"].map((id) => log.find(id) !== undefined)).toEqual([false, true, true]);
    clock.advance(REPLAY_WINDOW_MS + 1);
    expect(log.find("3")).toBeUndefined();
  });

  it("takes what is too old out of the store", async () => {
    const log = await open();
    await log.remember("1", answered);
    for (let tenth = 0; tenth < 12; tenth += 1) {
      clock.advance(REPLAY_WINDOW_MS / 10);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await store.list("request/")).entries).toEqual([]);
  });
});
