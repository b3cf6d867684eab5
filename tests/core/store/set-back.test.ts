import { describe, expect, it } from "vitest";
import { isReason } from "../../../src/core/errors/error.ts";
import type { Log } from "../../../src/core/log.ts";
import { watchForSetBack } from "../../../src/core/store/set-back.ts";
import { encodeToken, scopeOf } from "../../../src/core/watch/token.ts";
import { drain, makeThings, present, soon, stateOf, type Things } from "../watch/things.ts";

function watchOver(all: Things) {
  const errors: string[] = [];
  const log: Log = (_, level, message) => void (level === "error" && errors.push(message));
  const setBack = watchForSetBack(all.feed, {
    clock: all.clock,
    log,
    startOver: () => {
      all.things.hub.distrustTokens();
      all.events.distrustTokens();
    },
  });
  return { errors, setBack };
}

const tokenOf = (all: Things, revision: number): string =>
  encodeToken({ incarnation: all.store.incarnation, revision, scope: scopeOf("thing/", []) });

describe("a token that is ahead of the store", () => {
  it("causes a snapshot, gives the store another identity, and makes all watchers start over that had resumed", async () => {
    const all = await makeThings();
    for (let n = 0; n < 5; n += 1) await all.put(`t${n}`, n);
    const { errors, setBack } = watchOver(all);
    const before = all.store.incarnation;
    const [fresh, resumed] = [all.watch(), all.watch({ resumeToken: tokenOf(all, 3) })];
    const events = all.watchEvents({ resumeToken: tokenOf(all, 3), onCompacted: "error" });
    await drain(all.clock, () => fresh.next());
    await drain(all.clock, () => resumed.next());
    expect(setBack()).toBeUndefined();
    const ahead = all.watch({ resumeToken: tokenOf(all, 9) });
    expect(await soon(ahead.next())).toMatchObject({ kind: "snapshot", complete: true });
    expect(all.store.incarnation).not.toBe(before);
    expect(setBack()).toMatchObject({ seen: 9, head: 5 });
    const received = await drain(all.clock, () => resumed.next());
    expect(received[0]).toMatchObject({ kind: "snapshot", complete: true });
    expect(stateOf(received)).toEqual(present(all));
    expect((await drain(all.clock, () => fresh.next())).map(({ kind }) => kind)).toEqual(["heartbeat"]);
    const ended = await drain(all.clock, () => events.next()).catch((error: unknown) => error);
    expect(isReason(ended, "REVISION_COMPACTED")).toBe(true);
    const old = encodeToken({ incarnation: before, revision: 4, scope: scopeOf("thing/", []) });
    expect(await soon(all.watch({ resumeToken: old }).next())).toMatchObject({ kind: "snapshot" });
    expect(errors).toHaveLength(1);
  });

  it("a forged token does that only once for each start, however often it is sent, and costs its sender a snapshot", async () => {
    const all = await makeThings();
    const { errors } = watchOver(all);
    const identities = new Set<string>();
    for (let n = 0; n < 50; n += 1) {
      const watcher = all.watch({ resumeToken: tokenOf(all, 1_000 + n) });
      expect(await soon(watcher.next())).toMatchObject({ kind: "snapshot" });
      watcher.close();
      identities.add(all.store.incarnation);
    }
    expect(identities.size).toBeLessThanOrEqual(2);
    expect(errors).toHaveLength(1);
  });

  it("a token of another watch, or of another store, is no evidence", async () => {
    const all = await makeThings();
    const { errors, setBack } = watchOver(all);
    const other = encodeToken({ incarnation: "another", revision: 99, scope: scopeOf("thing/", []) });
    expect(await soon(all.watch({ resumeToken: other }).next())).toMatchObject({ kind: "snapshot" });
    expect(setBack()).toBeUndefined();
    expect(errors).toEqual([]);
  });
});
