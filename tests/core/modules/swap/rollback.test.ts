import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Log } from "../../../../src/core/log.ts";
import { createMemoryStore } from "../../../../src/core/store/memory/store.ts";
import { createManualClock, systemClock } from "../../../../src/kernel/clock.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEither } from "../../../support/isolations.ts";
import { itInRows } from "../../../support/rows.ts";
import { SOAK } from "../../../support/soak.ts";
import { turn } from "../../../support/turns.ts";
import { until } from "../../../support/until.ts";
import { refusing } from "../refusing.ts";
import { ownRoot, rig } from "../rig.ts";
import { startTraffic } from "../traffic.ts";

const source = (version: number): string => `export default class A {
  #config;
  static version = "${version}";
  start({ config }) { this.#config = config; }
  which() { return { version: ${version}, config: this.#config }; }
}`;

describeInEither("a rollback", () => {
  it("restores the previous version under load, whatever happened to its file", async () => {
    const { path } = await ownRoot({ "v1.js": source(1), "v2.js": source(2) });
    const { modules, load, call } = await rig({ root: path });
    await load("v1", { config: { depth: 1 } }, "a");
    await modules.swap("a", { newVersionPath: "v2", config: { depth: 2 } });
    await rm(join(path, "v1.js"));
    const traffic = startTraffic(() => call("a", "which"), 8);
    await traffic.more(20);
    const result = await modules.rollBack("a");
    await traffic.more(20);
    expect((await traffic.stop()).failed).toEqual([]);
    expect(result).toMatchObject({ swapped: true, fromVersion: "2", toVersion: "1" });
    expect(await call("a", "which")).toEqual({ version: 1, config: { depth: 1 } });
    expect(modules.get("a").record).toMatchObject({
      generation: 3,
      configVersion: 1,
      registration: { modulePath: "v1", version: "1", config: { depth: 1 } },
    });
  });

  it("restores the named generation, and no other", async () => {
    const { path } = await ownRoot({ "v1.js": source(1), "v2.js": source(2), "v3.js": source(3) });
    const { modules, load, call } = await rig({ root: path });
    await load("v1", {}, "a");
    await modules.swap("a", { newVersionPath: "v2" });
    await modules.swap("a", { newVersionPath: "v3" });
    expect(await modules.rollBack("a", { generation: 1 })).toMatchObject({ swapped: true, toVersion: "1" });
    expect(await call("a", "which")).toMatchObject({ version: 1 });
    for (const generation of [4, 9]) {
      expect(await errorOf(modules.rollBack("a", { generation }))).toMatchObject({
        reason: "GENERATION_NOT_FOUND",
        metadata: { name: "a", generation: String(generation) },
      });
    }
    expect(await errorOf(modules.rollBack("a", { expectedGeneration: 3 }))).toMatchObject({
      reason: "MODULE_GENERATION_MISMATCH",
    });
  });

  it("has no target before the first swap", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", {}, "echo");
    expect(await errorOf(modules.rollBack("echo"))).toMatchObject({ reason: "GENERATION_NOT_FOUND" });
  });

  it("closes the breaker that the replaced version has opened", async () => {
    const { path } = await ownRoot({
      "v1.js": source(1),
      "v2.js": `export default class A { which() { throw new Error("no"); } }`,
    });
    const { modules, breakers, load, call } = await rig({ root: path });
    await load("v1", { breaker: { failureThreshold: 1 } }, "a");
    await modules.swap("a", { newVersionPath: "v2" });
    await errorOf(call("a", "which"));
    expect(breakers.get("module:a").state).toBe("OPEN");
    await modules.rollBack("a");
    expect(await call("a", "which")).toMatchObject({ version: 1 });
  });

  it("restores only a version that has served while hot reload is off", async () => {
    const { path } = await ownRoot({ "v1.js": source(1), "v2.js": source(2), "v3.js": source(3) });
    const { modules, flags, load } = await rig({ root: path });
    await load("v1", {}, "a");
    await modules.swap("a", { newVersionPath: "v2" });
    modules.useGate(async () => ({ passed: false, detail: "no" }));
    expect(await modules.swap("a", { newVersionPath: "v3", testSuite: "any" })).toMatchObject({ swapped: false });
    await flags.disable("hot_reload_modules");
    expect(await errorOf(modules.rollBack("a", { generation: 3 }))).toMatchObject({ reason: "HOT_RELOAD_DISABLED" });
    expect(await modules.rollBack("a", { generation: 1 })).toMatchObject({ swapped: true, toVersion: "1" });
  });
});

describeInEither("a rollback with an id", () => {
  it("a rollback that ends a trial happens once, however often the id is sent, also after a restart", async () => {
    const { path } = await ownRoot({ "v1.js": source(1), "v2.js": source(2), "v3.js": source(3) });
    const { modules, load, call, store, close } = await rig({ root: path });
    await load("v1", {}, "a");
    await modules.swap("a", { newVersionPath: "v2" });
    const begun = Promise.withResolvers<void>();
    const swapped = modules.swap("a", { newVersionPath: "v3", bakeMs: 3_600_000 }, {}, (event) => {
      if (event.type === "started" && event.name === "bake") begun.resolve();
    });
    await begun.promise;
    const goBack = () => modules.rollBack("a", { swapId: "back" });
    const [first, joined] = await Promise.all([goBack(), goBack()]);
    const expected = { swapId: "back", swapped: true, fromVersion: "3", toVersion: "2" };
    expect([first, joined]).toMatchObject([expected, expected]);
    expect(await swapped).toMatchObject({ swapped: false, failedStep: "bake" });
    expect(await goBack()).toMatchObject(expected);
    expect(await call("a", "which")).toMatchObject({ version: 2 });
    expect(await errorOf(modules.rollBack("a", { swapId: "back", generation: 1 }))).toMatchObject({
      reason: "SWAP_ID_REUSED",
    });
    await close();
    const next = await rig({ root: path, store });
    await next.modules.settled;
    expect(await next.modules.rollBack("a", { swapId: "back" })).toMatchObject(expected);
    expect(await next.call("a", "which")).toMatchObject({ version: 2 });
  });
});

describeInEither("a rollback with an id that is interrupted by the end of the service", () => {
  it("reports after the restart which version serves", SOAK, async () => {
    const stateful = (version: number, importing: string): string => `export default class A {
      static version = "${version}";
      which() { return ${version}; }
      exportState() { return 0; }
      async importState() { ${importing} }
    }`;
    const hangs = 'console.log("importing"); await new Promise(() => {});';
    const { path } = await ownRoot({ "v1.js": stateful(1, hangs), "v2.js": stateful(2, "") });
    const importing = Promise.withResolvers<void>();
    const log: Log = (_area, _level, message) => void (message === "importing" && importing.resolve());
    const store = createMemoryStore({ clock: systemClock, incarnation: "incarnation" });
    const killed = refusing(store);
    const { modules, load, artifactsDir } = await rig({ root: path, log, store: killed.store });
    await load("v1", {}, "a");
    modules.swap("a", { newVersionPath: "v2", bakeMs: 3_600_000 }).catch(() => {});
    await until(() => modules.get("a").record.bake !== undefined);
    modules.rollBack("a", { swapId: "back" }).catch(() => {});
    await importing.promise;
    // A killed service leaves the same state: nothing more is stored.
    killed.refuse("", Number.POSITIVE_INFINITY);
    const next = await rig({ root: path, store, artifactsDir });
    await next.modules.settled;
    expect(await next.call("a", "which")).toBe(1);
    const expected = { swapId: "back", swapped: true, fromVersion: "2", toVersion: "1" };
    expect(await next.modules.rollBack("a", { swapId: "back" })).toMatchObject(expected);
    expect(await next.call("a", "which")).toBe(1);
  });
});

describeInEither("the list of generations of a module", () => {
  it("shows what was started, newest first, and why it ended", async () => {
    const { modules, load, call, reaches } = await rig();
    await load("echo_v1", {}, "echo");
    await modules.swap("echo", { newVersionPath: "throws_on_start" });
    await modules.swap("echo", { newVersionPath: "sick" });
    await modules.swap("echo", { newVersionPath: "echo_v2" });
    await errorOf(call("echo", "exit"));
    await reaches("echo", "FAILED");
    await reaches("echo", "ACTIVE");
    await call("echo", "who_am_i");
    await modules.unload("echo");
    const listed = modules.generations("echo").map(({ number, state, version, end }) => [number, state, version, end]);
    expect(listed).toEqual([
      [5, "RETIRED", "2.0.0", "unloaded"],
      [4, "FAILED", "2.0.0", "crashed: exit code 3"],
      [3, "FAILED", "1.0.0", "health: health of module echo failed: no connection (sick.ts:3:11)"],
      [1, "RETIRED", "1.0.0", "replaced"],
    ]);
  });

  it("has at most 20 entries", SOAK, async () => {
    const { modules, load } = await rig();
    await load("echo_v1", { isolation: "THREAD" }, "echo");
    for (let count = 0; count < 22; count += 1) await modules.swap("echo", { force: true });
    const numbers = modules.generations("echo").map(({ number }) => number);
    expect(numbers).toEqual(Array.from({ length: 20 }, (_, index) => 23 - index));
  });
});

describeInEither("a rollback of a module that is FAILED", () => {
  const fatal = (version: number): string => `export default class A {
    static version = "${version}";
    start(ctx) { ctx.onServe(() => { throw new Error("no route"); }); }
    which() { return ${version}; }
  }`;
  const crashing = (version: number): string => `export default class A {
    static version = "${version}";
    exit() { process.exit(3); }
  }`;
  const well = (version: number): string => `export default class A {
    static version = "${version}";
    which() { return ${version}; }
  }`;

  it("starts the version that served before, and accepts calls that the crashes had blocked", async () => {
    const clock = createManualClock();
    const { path } = await ownRoot({ "v1.js": well(1), "v2.js": fatal(2) });
    const { modules, breakers, load, call, reaches } = await rig({ root: path, clock });
    await load("v1", {}, "a");
    await modules.swap("a", { newVersionPath: "v2" });
    const isGivenUp = (): boolean => breakers.get("module:a").override !== undefined;
    while (!isGivenUp()) {
      await reaches("a", "FAILED");
      while (!isGivenUp() && modules.get("a").record.lifecycle.state === "FAILED") {
        clock.advance(1000);
        await turn();
      }
    }
    const result = await modules.rollBack("a", { bakeMs: 60_000 });
    expect(result).toMatchObject({ swapped: true, fromVersion: "2", toVersion: "1", stateLost: false });
    expect(await call("a", "which")).toBe(1);
    expect(modules.get("a").record).toMatchObject({
      lifecycle: { state: "ACTIVE" },
      registration: { modulePath: "v1" },
    });
    expect(modules.get("a").record.bake).toBeUndefined();
  });

  it("replaces code that does not even start", async () => {
    const { path } = await ownRoot({ "v1.js": well(1), "v2.js": "throw new Error('no');" });
    const { modules, load, call } = await rig({ root: path });
    await load("v1", {}, "a");
    await modules.unload("a");
    await modules.register("a", { modulePath: "v2" }, { replace: true });
    expect(await errorOf(modules.load("a"))).toMatchObject({ reason: "MODULE_LOAD_FAILED" });
    expect(await modules.rollBack("a")).toMatchObject({ swapped: true, toVersion: "1" });
    expect(await call("a", "which")).toBe(1);
  });

  it("restores the version that served last if its file now contains code that does not start", SOAK, async () => {
    const { path, write } = await ownRoot({ "v1.js": well(1), "v2.js": well(2) });
    const { modules, load, call } = await rig({ root: path });
    await load("v1", {}, "a");
    await modules.swap("a", { newVersionPath: "v2" });
    for (const broken of ["not JavaScript", "throw new Error('no');"]) {
      await modules.unload("a");
      await write("v2.js", broken);
      await errorOf(modules.load("a"));
      expect(await modules.rollBack("a")).toMatchObject({ swapped: true, toVersion: "2" });
      expect(await call("a", "which")).toBe(2);
    }
  });

  it("reports that its state is lost, if it had state", async () => {
    const stateful = (version: number): string =>
      `export default class A {
        static version = "${version}";
        exit() { process.exit(3); }
        exportState() { return 0; }
        importState() {}
      }`;
    const { path } = await ownRoot({ "v1.js": stateful(1), "v2.js": stateful(2) });
    const { modules, load, call, reaches } = await rig({ root: path, clock: createManualClock() });
    await load("v1", {}, "a");
    await modules.swap("a", { newVersionPath: "v2" });
    await errorOf(call("a", "exit"));
    await reaches("a", "FAILED");
    expect(await modules.rollBack("a")).toMatchObject({ swapped: true, toVersion: "1", stateLost: true });
  });

  it("leaves it FAILED with a reason if the old code does not start either", async () => {
    const v1 = `export default class A {
      static version = "1";
      async start({ flags }) {
        if (!(await flags.isEnabled("hot_reload_modules"))) throw new Error("no route");
      }
    }`;
    const v2 = 'export default class A { static version = "2"; exit() { process.exit(3); } }';
    const { path } = await ownRoot({ "v1.js": v1, "v2.js": v2 });
    const { modules, flags, load, call, state, reaches } = await rig({ root: path, clock: createManualClock() });
    await load("v1", {}, "a");
    await modules.swap("a", { newVersionPath: "v2" });
    await flags.disable("hot_reload_modules");
    await errorOf(call("a", "exit"));
    await reaches("a", "FAILED");
    const result = await modules.rollBack("a");
    expect(result).toMatchObject({ swapped: false, failedStep: "start", fromVersion: "2", toVersion: "1" });
    expect(result.failure).toContain("no route");
    expect(state("a")).toBe("FAILED");
    await flags.enable("hot_reload_modules");
    expect(await modules.rollBack("a")).toMatchObject({ swapped: true, toVersion: "1" });
    expect(state("a")).toBe("ACTIVE");
  });

  it("restores it without traffic if it was to have none", SOAK, async () => {
    const exits = `export default class A {
      static version = "2";
      start({ flags }) {
        const look = async () => {
          if (!(await flags.isEnabled("hot_reload_modules"))) process.exit(3);
          setTimeout(look, 1);
        };
        setTimeout(look, 1);
      }
    }`;
    const { path } = await ownRoot({ "v1.js": well(1), "v2.js": exits });
    const { modules, flags, load, state, reaches } = await rig({ root: path, clock: createManualClock() });
    await load("v1", {}, "a");
    await modules.swap("a", { newVersionPath: "v2" });
    await modules.unload("a");
    await modules.load("a", { activate: false });
    await flags.disable("hot_reload_modules");
    await reaches("a", "FAILED");
    expect(await modules.rollBack("a")).toMatchObject({ swapped: true, toVersion: "1" });
    expect(state("a")).toBe("LOADED");
  });

  itInRows(1, [["before the rollback"], ["in its course"]])(
    "does not wait for a restart that hangs and began %s",
    async (when) => {
      const clock = createManualClock();
      const hangs = `export default class A {
      static version = "2";
      async start({ flags, log }) {
        if (await flags.isEnabled("hot_reload_modules")) return;
        log.info("hangs");
        await new Promise(() => {});
      }
      exit() { process.exit(3); }
    }`;
      const { path } = await ownRoot({ "v1.js": well(1), "v2.js": hangs });
      const hanging = Promise.withResolvers<void>();
      const log: Log = (_area, _level, message) => void (message === "hangs" && hanging.resolve());
      const { modules, flags, load, call, state, reaches } = await rig({ root: path, clock, log });
      await load("v1", {}, "a");
      await modules.swap("a", { newVersionPath: "v2" });
      await flags.disable("hot_reload_modules");
      await errorOf(call("a", "exit"));
      await reaches("a", "FAILED");
      const hang = async (): Promise<void> => {
        while (state("a") === "FAILED") {
          clock.advance(100);
          await turn();
        }
        await hanging.promise;
      };
      modules.useGate(async () => {
        await hang();
        return { passed: true, detail: "" };
      });
      if (when === "before the rollback") await hang();
      const testSuite = when === "in its course" ? "any" : "";
      expect(await modules.rollBack("a", { testSuite })).toMatchObject({ swapped: true, toVersion: "1" });
      expect(await call("a", "which")).toBe(1);
    },
  );

  it("needs the dependencies of the module, as a load does", SOAK, async () => {
    const { path } = await ownRoot({ "v1.js": well(1), "v2.js": crashing(2), "needed.js": well(1) });
    const { modules, load, call, reaches } = await rig({ root: path, clock: createManualClock() });
    await load("needed");
    await load("v1", { dependencies: ["needed"] }, "a");
    await modules.swap("a", { newVersionPath: "v2" });
    await errorOf(call("a", "exit"));
    await reaches("a", "FAILED");
    await modules.unload("needed");
    expect(await errorOf(modules.rollBack("a"))).toMatchObject({ reason: "MODULE_DEPENDENCY_NOT_LOADED" });
  });

  it("is refused after an unload", async () => {
    const { path } = await ownRoot({ "v1.js": well(1), "v2.js": well(2) });
    const { modules, load } = await rig({ root: path });
    await load("v1", {}, "a");
    await modules.swap("a", { newVersionPath: "v2" });
    await modules.unload("a");
    expect(await errorOf(modules.rollBack("a"))).toMatchObject({
      reason: "MODULE_STATE_CONFLICT",
      metadata: { state: "UNLOADED", expected: "ACTIVE or FAILED" },
    });
  });
});
