import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import {
  createManualClock,
  createMemoryStore,
  Feed,
  type ManualClock,
  openSqliteStore,
  type Store,
} from "../../../src/core/index.ts";
import { MAX_ANSWER_BYTES } from "../../../src/core/store/answers.ts";
import { createRequestLog, REPLAY_WINDOW_MS, type RequestLog } from "../../../src/core/store/requests.ts";
import { turns } from "../../support/turns.ts";
import { makeDirectory } from "./directories.ts";

interface Limits {
  readonly answerBytes?: number;
  readonly knownRequests?: number;
  readonly knownCalls?: number;
}

const openSqlite = (directory: string, clock: ManualClock, limits: Limits = {}): Promise<Store> =>
  openSqliteStore({ directory, clock, newId: () => crypto.randomUUID(), ...limits });

const stores: Record<string, (clock: ManualClock, limits: Limits) => Promise<Store>> = {
  memory: async (clock, limits) => createMemoryStore({ clock, incarnation: "one", ...limits }),
  sqlite: (clock, limits) => openSqlite(makeDirectory(), clock, limits),
};

const logOf = (store: Store, clock: ManualClock): RequestLog => createRequestLog({ feed: new Feed(store), clock });
const answerOf = (length: number, digest = "d") => ({ digest, answer: new Uint8Array(length).fill(length % 251) });
const answered = answerOf(3);

/** Lets the work of a timer finish. */
const settled = (): Promise<void> => turns(50);

describe.each(Object.keys(stores))("the request log over a store in %s", (kind) => {
  const open = async (limits: Limits = {}) => {
    const clock = createManualClock();
    const store = await (stores[kind] as (typeof stores)[string])(clock, limits);
    return { clock, store, log: logOf(store, clock) };
  };

  it("finds an answer within the window, and not after it", async () => {
    const { clock, log } = await open();
    expect(log.find("1")).toBeUndefined();
    await log.remember("1", answered);
    clock.advance(REPLAY_WINDOW_MS);
    expect(log.find("1")?.digest).toBe("d");
    expect([...(log.find("1")?.answer ?? [])]).toEqual([3, 3, 3]);
    clock.advance(1);
    expect(log.find("1")).toBeUndefined();
    await log.remember("1", answerOf(4));
    expect(log.find("1")?.answer).toHaveLength(4);
  });

  it("raises no revision, makes no change, notifies no watcher, and displaces no change in the journal", async () => {
    const { store, log } = await open();
    await store.put("a", "1", { cause: { action: "Test" } });
    let received = 0;
    await store.watch(1, () => {
      received += 1;
    });
    for (let n = 0; n < 300; n += 1) await log.remember(String(n), answered);
    expect(received).toBe(0);
    expect(await store.list("")).toMatchObject({ revision: 1, entries: [{ key: "a" }] });
    expect(await store.changes("", 0, 9)).toMatchObject({ changes: [{ key: "a" }], through: 1 });
  });

  it("drops the oldest answers beyond its limit of bytes, and still knows that those requests were answered", async () => {
    const { log } = await open({ answerBytes: 100_000 });
    for (let n = 0; n < 100; n += 1) await log.remember(String(n), answerOf(10_000, `digest ${n}`));
    const found = Array.from({ length: 100 }, (_, n) => log.find(String(n)));
    expect(found.map((one) => one?.digest)).toEqual(found.map((_, n) => `digest ${n}`));
    const held = found.map((one) => one?.answer !== undefined);
    expect(held).toEqual([...held].sort());
    expect(held.filter(Boolean).length).toBeGreaterThanOrEqual(2);
    expect(held.filter(Boolean).length).toBeLessThanOrEqual(10);
  });

  it("does not keep an answer that is too long, but knows that there was one", async () => {
    const { log } = await open();
    await log.remember("1", answerOf(MAX_ANSWER_BYTES));
    await log.remember("2", answerOf(MAX_ANSWER_BYTES + 1));
    expect(log.find("1")?.answer).toHaveLength(MAX_ANSWER_BYTES);
    expect(log.find("2")).toEqual({ digest: "d", answer: undefined });
  });

  it("forgets the oldest requests beyond its limit of requests", async () => {
    const { clock, log } = await open({ knownRequests: 10 });
    for (let n = 0; n < 30; n += 1) {
      await log.remember(String(n), answered);
      clock.advance(1);
    }
    const known = Array.from({ length: 30 }, (_, n) => log.find(String(n)) !== undefined);
    expect(known.indexOf(true)).toBe(20);
  });

  it("frees the bytes of an answer that is replaced, dropped or expired", async () => {
    const { clock, log } = await open({ answerBytes: 10_000 });
    for (let n = 0; n < 50; n += 1) await log.remember("same", answerOf(4_000));
    await log.remember("other", answerOf(4_000));
    expect([log.find("same"), log.find("other")].map((one) => one?.answer?.length)).toEqual([4_000, 4_000]);
    for (let time = 0; time < REPLAY_WINDOW_MS + 120_000; time += 60_000) {
      clock.advance(60_000);
      await settled();
    }
    for (const id of ["a", "b"]) await log.remember(id, answerOf(4_000));
    expect([log.find("a"), log.find("b")].map((one) => one?.answer?.length)).toEqual([4_000, 4_000]);
  });
});

describe.each(Object.keys(stores))("the notes on calls in a store in %s", (kind) => {
  const open = async (limits: Limits = {}) => {
    const clock = createManualClock();
    const store = await (stores[kind] as (typeof stores)[string])(clock, limits);
    return { clock, store, answers: store.answers, log: logOf(store, clock) };
  };
  const expires = 2e12;

  it("keep the last note until it is deleted or expires", async () => {
    const { clock, answers } = await open();
    await answers.put("1", { digest: "d", note: "begun" }, expires);
    expect(answers.find("1")).toEqual({ digest: "d", answer: undefined, note: "begun" });
    await answers.put("1", { digest: "d", note: "answered", answer: new Uint8Array(3) }, clock.now() + 1000);
    expect(answers.find("1")).toMatchObject({ note: "answered", answer: new Uint8Array(3) });
    clock.advance(1001);
    expect(answers.find("1")).toBeUndefined();
    await answers.put("2", { digest: "d", note: "begun" }, expires);
    await answers.forget("2");
    await answers.forget("none");
    expect(answers.find("2")).toBeUndefined();
  });

  it("are never displaced by requests or by answers, which are dropped separately", async () => {
    const { answers, log } = await open({ answerBytes: 10_000, knownRequests: 3 });
    for (let n = 0; n < 5; n += 1) {
      await answers.put(`call ${n}`, { digest: "d", note: "answered", answer: new Uint8Array(4_000) }, expires + n);
    }
    for (let n = 0; n < 10; n += 1) await log.remember(`request ${n}`, answered);
    const calls = Array.from({ length: 5 }, (_, n) => answers.find(`call ${n}`));
    expect(calls.map((one) => one?.note)).toEqual(Array(5).fill("answered"));
    expect(calls.filter((one) => one?.answer !== undefined).length).toBeLessThanOrEqual(2);
    const requests = Array.from({ length: 10 }, (_, n) => answers.find(`request ${n}`) !== undefined);
    expect(requests.filter(Boolean)).toHaveLength(3);
  });

  it("refuse one call too many with a retry time, but accept updates of known calls", async () => {
    const { clock, answers, log } = await open({ knownCalls: 2 });
    const begin = (id: string) => answers.put(id, { digest: "d", note: "begun" }, clock.now() + 1000);
    await begin("1");
    await begin("2");
    await expect(begin("3")).rejects.toMatchObject({
      reason: "IDEMPOTENCY_KEYS_EXHAUSTED",
      metadata: { limit: "2" },
      retryAfterMs: 60_000,
    });
    await begin("2");
    await log.remember("request", answered);
    await answers.forget("1");
    await begin("3");
    expect(["1", "2", "3"].map((id) => answers.find(id)?.note)).toEqual([undefined, "begun", "begun"]);
    clock.advance(REPLAY_WINDOW_MS);
    await settled();
    await begin("4");
  });
});

describe("the request log over a database", () => {
  it("a log from a version without notes has the same answers, and accepts notes from then on", async () => {
    const [directory, clock] = [makeDirectory(), createManualClock()];
    const first = await openSqlite(directory, clock);
    await logOf(first, clock).remember("1", answered);
    await first.close();
    const database = new DatabaseSync(join(directory, "helios.db"));
    database.exec("DROP INDEX answers_of_requests; ALTER TABLE answers DROP COLUMN note");
    database.close();
    for (let life = 0; life < 2; life += 1) {
      const store = await openSqlite(directory, clock);
      expect(store.answers.find("1")).toMatchObject({ digest: "d", note: undefined });
      await store.answers.put(`call ${life}`, { digest: "d", note: "begun" }, 2e12);
      expect(store.answers.find("call 0")?.note).toBe("begun");
      await store.close();
    }
  });

  it("survives a restart, and expires from the start on even if no one reads it", async () => {
    const [directory, clock] = [makeDirectory(), createManualClock()];
    const first = await openSqlite(directory, clock);
    for (let n = 0; n < 250; n += 1) await logOf(first, clock).remember(String(n), answered);
    await first.close();
    const second = await openSqlite(directory, clock);
    expect(logOf(second, clock).find("249")?.answer).toHaveLength(3);
    await second.close();
    clock.advance(REPLAY_WINDOW_MS + 1);
    const third = await openSqlite(directory, clock);
    clock.advance(2_000);
    await settled();
    // With an earlier clock the answers would be found if they still existed.
    clock.stepWall(-REPLAY_WINDOW_MS);
    expect(logOf(third, clock).find("0")).toBeUndefined();
    expect(logOf(third, clock).find("249")).toBeUndefined();
    await third.close();
  });
});
