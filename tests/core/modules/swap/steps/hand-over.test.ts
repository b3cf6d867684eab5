import { describe, expect, it } from "vitest";
import type { Log } from "../../../../../src/core/log.ts";
import { hurried } from "../../../../support/clocks.ts";
import { errorOf } from "../../../../support/errors.ts";
import { describeInEach } from "../../../../support/isolations.ts";
import { itInRows } from "../../../../support/rows.ts";
import { SOAK } from "../../../../support/soak.ts";
import { turn } from "../../../../support/turns.ts";
import { until } from "../../../../support/until.ts";
import { type Acting, acting, trader } from "../../acting.ts";
import { refusing } from "../../refusing.ts";
import { ownRoot, rig } from "../../rig.ts";

const answer = (one: Acting) => () => one.call("gateway", "answer");

/** Calls a method that waits for the gateway, and makes its caller leave. */
async function leaveBehind(one: Acting, id: number): Promise<void> {
  const caller = new AbortController();
  const sent = one.logs("slow order");
  const left = one.modules.invoke("trader", "wait", { json: { id } }, { signal: caller.signal });
  await sent;
  caller.abort(new Error("gone"));
  await left.catch(() => {});
}

/** The trader calls the gateway of its own accord, and the gateway does not answer. */
async function actAlone(one: Acting, id: number): Promise<void> {
  const sent = one.logs("slow order");
  await one.call("trader", "trade", { id, slow: true });
  await sent;
}

describeInEach("state that is handed over by a module in a %s", (isolation) => {
  it("contains the results of a method whose caller has left", async () => {
    const one = await acting({ isolation });
    await leaveBehind(one, 1);
    const result = await one.swap({}, { hand_over: answer(one) });
    expect(result).toMatchObject({ swapped: true, stateLost: false });
    expect(await one.call("trader", "fills")).toEqual([1]);
  });

  it("contains the result of the old version's own call", async () => {
    const one = await acting({ isolation });
    await actAlone(one, 1);
    const result = await one.swap({}, { hand_over: answer(one) });
    expect(result).toMatchObject({ swapped: true, stateLost: false });
    expect(await one.call("trader", "fills")).toEqual([1]);
  });

  it("contains the effects of an answer after many turns of promises", SOAK, async () => {
    const fills = "#fills = [];";
    const slowly = trader(1).replace(
      "this.#fills.push(fill)",
      "for (let n = 0; n < 1000; n += 1) await null; this.#fills.push(fill)",
    );
    expect(slowly).toContain(fills);
    const one = await acting({ isolation, v1: slowly });
    await actAlone(one, 1);
    expect(await one.swap({}, { hand_over: answer(one) })).toMatchObject({ swapped: true });
    expect(await one.call("trader", "fills")).toEqual([1]);
  });

  it("is not requested while a method runs whose caller has left, and the old version serves on", SOAK, async () => {
    const one = await acting({ isolation });
    await leaveBehind(one, 1);
    await leaveBehind(one, 2);
    const result = await one.swap({ maxPauseMs: 200 });
    expect(result).toMatchObject({ swapped: false, failedStep: "hand_over", fromVersion: "1", stateLost: false });
    expect(result.failure).toBe("2 methods still ran after their callers left, in version 1 after 200 ms");
    await answer(one)();
    expect(await one.call("trader", "which")).toBe("1");
    await until(() => one.modules.activeInstance("trader").instance.busy === 0);
    expect(await one.swap()).toMatchObject({ swapped: true });
    expect(await one.call("trader", "fills")).toEqual([1, 2]);
  });

  it("is not requested while the old version's own call is under way, and the old version serves on", async () => {
    const one = await acting({ isolation });
    await actAlone(one, 1);
    const result = await one.swap({ maxPauseMs: 200 });
    expect(result).toMatchObject({ swapped: false, failedStep: "hand_over", fromVersion: "1" });
    expect(result.failure).toBe("1 call of its own to gateway.slow_order was under way, in version 1 after 200 ms");
    // Modules that it calls continue.
    await one.call("trader", "trade", { id: 2 });
    await answer(one)();
    expect(await one.swap()).toMatchObject({ swapped: true });
    expect(((await one.call("trader", "fills")) as number[]).sort()).toEqual([1, 2]);
  });

  it("is complete even if the old version always has a call under way: no order is lost or duplicated", async () => {
    const loop = {
      construct: "ctx.onServe(() => this.loop());",
      more: `async loop() { for (;;) await this.#trade(this.#fills.length + 1); }`,
    };
    const one = await acting({ isolation, v1: trader(1, loop), v2: trader(2, loop) });
    const swapped = await one.swap();
    expect(swapped.failure).toBeUndefined();
    const seen = (await one.orders()).length;
    await until(async () => (await one.orders()).length >= seen + 10);
    const orders = await one.orders();
    expect(orders.map(({ id }) => id)).toEqual(orders.map((_, index) => index + 1));
    const from = orders.map((order) => order.from);
    expect(from).toEqual([...from].sort());
    expect(new Set(from)).toEqual(new Set(["1", "2"]));
  });

  it("is exported between two ticks of a timer, so that each counted call was made", SOAK, async () => {
    const timer = {
      construct: "ctx.onServe(() => { this.timer = setInterval(() => this.trade({ id: ++this.count }), 20); });",
      more: "count = 0;",
      exportState: "return this.count;",
    };
    const from = (version: number): string =>
      trader(version, { ...timer, importState: "this.count = fills; fills = [];" });
    const one = await acting({ isolation, v1: from(1), v2: from(2) });
    await until(async () => (await one.orders()).length >= 3);
    expect(await one.swap()).toMatchObject({ swapped: true });
    const seen = (await one.orders()).length;
    await until(async () => (await one.orders()).length >= seen + 3);
    const orders = await one.orders();
    expect(orders.map(({ id }) => id)).toEqual(orders.map((_, index) => index + 1));
  });

  it("may include answers to calls that exportState makes", async () => {
    const v1 = trader(1, {
      exportState:
        "const { fill } = await this.#ctx.call('gateway', 'place_order', { id: 9 }); this.#fills.push(fill);",
    });
    const one = await acting({ isolation, v1 });
    expect((await one.swap()).failure).toBeUndefined();
    expect(await one.call("trader", "fills")).toEqual([9]);
  });

  it("excludes actions of the old version after the export began", async () => {
    const v1 = trader(1, { exportState: "setTimeout(() => this.trade({ id: 5 }), 0);" });
    const v2 = trader(2, { importState: "await new Promise((resolve) => setTimeout(resolve, 50));" });
    const one = await acting({ isolation, v1, v2 });
    expect(await one.swap()).toMatchObject({ swapped: true });
    expect(await one.orders()).toEqual([]);
    const failing = await acting({ isolation, v1, v2: trader(2, { importState: "throw new Error('no');" }) });
    expect(await failing.swap()).toMatchObject({ swapped: false, failedStep: "hand_over" });
    await until(async () => (await failing.orders()).length !== 0);
    expect(await failing.orders()).toEqual([{ id: 5, from: "1" }]);
  });

  itInRows(1, [
    ["undefined", ["undefined", "undefined"]],
    ["null", ["object", "null"]],
    ["0", ["number", "0"]],
    ["''", ["string", ""]],
  ])("may be %s", async (state, arrives) => {
    const one = await acting({
      isolation,
      v1: trader(1, { exportState: `return ${state};` }),
      v2: trader(2, { importState: "this.#fills = [typeof fills, String(fills)]; return;" }),
    });
    expect((await one.swap()).failure).toBeUndefined();
    expect(await one.call("trader", "fills")).toEqual(arrives);
  });

  it("includes on a rollback the results that are still under way in the version on trial", async () => {
    const one = await acting({ isolation });
    const begun = Promise.withResolvers<void>();
    const swapped = one.swap({ bakeMs: 60_000 }, { bake: begun.resolve });
    await begun.promise;
    await leaveBehind(one, 1);
    await actAlone(one, 2);
    const back = one.modules.rollBack("trader");
    await answer(one)();
    expect(await back).toMatchObject({ swapped: true, toVersion: "1", stateLost: false });
    expect(await swapped).toMatchObject({ swapped: false, stateLost: false });
    expect(((await one.call("trader", "fills")) as number[]).sort()).toEqual([1, 2]);
  });

  it("excludes on a rollback the results that take too long, and the result says so", SOAK, async () => {
    const one = await acting({ isolation, clock: hurried(1000) });
    const begun = Promise.withResolvers<void>();
    const swapped = one.swap({ bakeMs: 60_000 }, { bake: begun.resolve });
    await begun.promise;
    await one.call("trader", "trade", { id: 1 });
    await actAlone(one, 2);
    const back = one.modules.rollBack("trader");
    await until(async () => (await one.call("trader", "which")) === "1");
    expect(await one.call("trader", "fills")).toEqual([1]);
    // The version that went back lives until it has its answer.
    await answer(one)();
    expect(await back).toMatchObject({ swapped: true, toVersion: "1", stateLost: true });
    expect(await swapped).toMatchObject({ swapped: false, stateLost: true });
    expect(await one.call("trader", "fills")).toEqual([1]);
  });
});

describeInEach("a trial in a %s that ends with a rollback", (isolation) => {
  const counter = (version: number, importing: string): string => `export default class A {
    static version = "${version}";
    #count = 0;
    #ctx;
    constructor(ctx) { this.#ctx = ctx; }
    add() { return ++this.#count; }
    count() { return this.#count; }
    exportState() { return this.#count; }
    async importState(count) { this.#count = count; ${importing} }
  }`;

  it("keeps what was answered, however many calls wait meanwhile", async () => {
    const root = await ownRoot({
      "v1.js": counter(1, "console.log('importing'); await new Promise((resolve) => setTimeout(resolve, 200));"),
      "v2.js": counter(2, ""),
    });
    const importing = Promise.withResolvers<void>();
    const log: Log = (_area, _level, message) => void (message === "importing" && importing.resolve());
    const { modules, load, call } = await rig({ root: root.path, log });
    await load("v1", { isolation, concurrency: 1 }, "a");
    const begun = Promise.withResolvers<void>();
    const swapped = modules.swap("a", { newVersionPath: "v2", bakeMs: 3_600_000 }, {}, (event) => {
      if (event.type === "started" && event.name === "bake") begun.resolve();
    });
    await begun.promise;
    const back = modules.rollBack("a");
    await importing.promise;
    const answers = await Promise.allSettled(Array.from({ length: 30 }, () => call("a", "add")));
    expect(await back).toMatchObject({ swapped: true, stateLost: false });
    const added = answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
    expect(added).toEqual(added.map((_, index) => index + 1));
    expect(added.length).toBeGreaterThanOrEqual(20);
    expect(await call("a", "count")).toBe(added.length);
    await swapped;
  });

  it("hands the states of a group back at the same time, while the calls of all members wait", SOAK, async () => {
    const logsFor = (name: string): string =>
      `this.#ctx.log.info("${name} begins"); await new Promise((resolve) => setTimeout(resolve, 100)); this.#ctx.log.info("${name} ends");`;
    const root = await ownRoot({
      "a1.js": counter(1, logsFor("a")),
      "a2.js": counter(2, ""),
      "b1.js": counter(1, logsFor("b")),
      "b2.js": counter(2, ""),
    });
    const logged: string[] = [];
    const log: Log = (_area, _level, message) => void (/begins|ends/.test(message) && logged.push(message));
    const { modules, load, call, reaches } = await rig({ root: root.path, log });
    await load("a1", { isolation }, "a");
    await load("b1", { isolation }, "b");
    const group = ["a", "b"].map((name) => ({ name, newVersionPath: `${name}2` }));
    const swapped = modules.swapAll(group, { bakeMs: 3_600_000 });
    await until(() => ["a", "b"].every((name) => modules.get(name).record.bake !== undefined));
    await call("a", "add");
    await call("b", "add");
    expect(await modules.rollBack("a")).toMatchObject({ swapped: true, stateLost: false });
    expect(logged.map((message) => message.split(" ")[1])).toEqual(["begins", "begins", "ends", "ends"]);
    expect([await call("a", "count"), await call("b", "count")]).toEqual([1, 1]);
    await swapped;
    await reaches("a", "ACTIVE");
  });
});

describeInEach("a module in a %s whose hand-over fails", (isolation) => {
  it("is started again if it ended during the hand-over and the store refuses the following writes", async () => {
    const disk = refusing();
    const v1 = trader(1, { exportState: "process.exit(3);" });
    const one = await acting({ isolation, v1, store: disk.store, clock: hurried(1000) });
    const swapped = one.swap({}, { hand_over: () => disk.refuse("", 3) });
    expect(await swapped).toMatchObject({ swapped: false, failedStep: "commit", stateLost: true });
    disk.refuse("", 0);
    await until(() => one.modules.get("trader").record.restarts !== 0);
    await one.reaches("trader", "ACTIVE");
    expect(await one.call("trader", "which")).toBe("1");
  });
});

describe("a module whose swap is given up", () => {
  it("has not lost its state, even if the new version takes no state over", async () => {
    const disk = refusing();
    const one = await acting({ v2: "export default class { which() { return '2'; } }", store: disk.store });
    const result = await one.modules.swap("trader", { newVersionPath: "v2" }, {}, (event) => {
      // The next write of the swap is its commit.
      if (event.type === "ended" && event.step.name === "hand_over") disk.refuse("swap/", 1);
    });
    expect(result).toMatchObject({ swapped: false, failedStep: "commit", stateLost: false });
    expect(await one.call("trader", "which")).toBe("1");
    expect(await one.swap()).toMatchObject({ swapped: true, stateLost: true });
  });
});

describeInEach("a module in a %s that is unloaded", (isolation) => {
  it("may call others in its stop, even if a swap has started it", async () => {
    const v2 = trader(2, { stop: "await this.#ctx.call('gateway', 'place_order', { id: 9, from: 'stop' });" });
    const one = await acting({ isolation, v2 });
    expect(await one.swap()).toMatchObject({ swapped: true });
    await one.modules.unload("trader");
    expect(await one.orders()).toEqual([{ id: 9, from: "stop" }]);
  });

  it("ends the methods whose callers have left, and then stops", async () => {
    const one = await acting({ isolation });
    await leaveBehind(one, 1);
    const unloaded = one.modules.unload("trader");
    await one.reaches("trader", "UNLOADING");
    await turn();
    expect(one.logged).not.toContain("stopped 1");
    const stopped = one.logs("stopped 1");
    await answer(one)();
    await stopped;
    await unloaded;
  });

  it("is stopped even if a method never ends whose caller has left", async () => {
    const one = await acting({ isolation, fields: { callTimeoutMs: 300 } });
    expect(await errorOf(one.call("trader", "never"))).toMatchObject({ reason: "MODULE_DEADLINE_EXCEEDED" });
    await one.modules.unload("trader");
    expect(one.logged).toContain("stopped 1");
  });

  it("is notified that it retires before it is stopped, and may still call others to finish", async () => {
    const v1 = trader(1, {
      construct: "ctx.onRetire(() => ctx.log.info('retired'));",
      stop: "await this.#trade(8);",
    });
    const one = await acting({ isolation, v1 });
    await one.modules.unload("trader");
    expect(one.logged.indexOf("retired")).toBeGreaterThan(-1);
    expect(one.logged.indexOf("retired")).toBeLessThan(one.logged.indexOf("stopped 1"));
    expect(await one.orders()).toEqual([{ id: 8, from: "1" }]);
  });
});

describe("modules that are replaced together", () => {
  it("hand over consistent states, whatever one does in the other of its own accord", SOAK, async () => {
    const book = (version: number): string => `export default class Book {
      static version = "${version}";
      #count = 0;
      add() { this.#count += 1; return { fill: this.#count }; }
      count() { return this.#count; }
      exportState() { console.log("book " + this.#count); return this.#count; }
      importState(count) { this.#count = count; }
    }`;
    const feed = (version: number): string => `export default class Feed {
      static version = "${version}";
      #added = 0;
      constructor(ctx) {
        const tick = async () => {
          await ctx.call("book", "add");
          this.#added += 1;
          this.timer = setTimeout(tick, 1);
        };
        ctx.onServe(() => { this.timer = setTimeout(tick, 1); });
        ctx.onRetire(() => clearTimeout(this.timer));
      }
      count() { return this.#added; }
      exportState() { console.log("feed " + this.#added); return this.#added; }
      importState(added) { this.#added = added; }
    }`;
    const files = { "b1.js": book(1), "b2.js": book(2), "f1.js": feed(1), "f2.js": feed(2) };
    const one = await acting({ files });
    await one.load("b1", {}, "book");
    await one.load("f1", { dependencies: ["book"] }, "feed");
    for (const _ of Array(3)) {
      const before = (await one.call("book", "count")) as number;
      await until(async () => ((await one.call("book", "count")) as number) >= before + 5);
      const result = await one.modules.swapAll(
        [
          { name: "feed", newVersionPath: "f2" },
          { name: "book", newVersionPath: "b2" },
        ],
        { force: true },
      );
      expect(result.results.map(({ failure }) => failure)).toEqual([undefined, undefined]);
    }
    const loggedBy = (name: string): string[] =>
      one.logged.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length));
    const handedOver = loggedBy("feed").map((added, index) => [added, loggedBy("book")[index]]);
    expect(handedOver).toHaveLength(3);
    for (const [added, count] of handedOver) expect(count).toBe(added);
    const stopped = one.modules.activeInstance("feed").instance;
    await one.modules.unload("feed");
    expect(await stopped.ended).toMatchObject({ expected: true });
  });
});
