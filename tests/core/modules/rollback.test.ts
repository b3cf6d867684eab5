import { rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { errorOf, ownRoot, rig } from "./rig.ts";
import { startTraffic } from "./traffic.ts";

const source = (version: number): string => `export default class A {
  #config;
  static version = "${version}";
  start({ config }) { this.#config = config; }
  which() { return { version: ${version}, config: this.#config }; }
}`;

describe("a rollback", () => {
  it("goes back to the version before, whatever became of its file, under load", async () => {
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

  it("goes back to the generation that is named, and to no other", async () => {
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

  it("has nothing to go back to before the first swap", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", {}, "echo");
    expect(await errorOf(modules.rollBack("echo"))).toMatchObject({ reason: "GENERATION_NOT_FOUND" });
  });
});

describe("the generations of a module", () => {
  it("tell what was started, newest first, and why it ended", async () => {
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
    const told = modules.generations("echo").map(({ number, state, version, end }) => [number, state, version, end]);
    expect(told).toEqual([
      [5, "RETIRED", "2.0.0", "unloaded"],
      [4, "FAILED", "2.0.0", "crashed: exit code 3"],
      [3, "FAILED", "1.0.0", "health: health of module echo failed: no connection (sick.ts:3:11)"],
      [1, "RETIRED", "1.0.0", "replaced"],
    ]);
  });

  it("are remembered up to 20", async () => {
    const { modules, load } = await rig();
    await load("echo_v1", { isolation: "THREAD" }, "echo");
    for (let count = 0; count < 22; count += 1) await modules.swap("echo", { force: true });
    const numbers = modules.generations("echo").map(({ number }) => number);
    expect(numbers).toEqual(Array.from({ length: 20 }, (_, index) => 23 - index));
  });
});
