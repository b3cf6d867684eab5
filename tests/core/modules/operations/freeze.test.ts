import { describe, expect, it } from "vitest";
import { isReason } from "../../../../src/core/errors/error.ts";
import { createManualClock } from "../../../../src/kernel/clock.ts";
import { errorOf } from "../../../support/errors.ts";
import { describeInEither, itInEach } from "../../../support/isolations.ts";
import { turn } from "../../../support/turns.ts";
import { ownRoot, rig } from "../rig.ts";

const FLAG = "hot_reload_modules";
const BY = { actor: "ana", reason: "the open" };

/** Calls the function when the present operation on the module has ended. */
async function onceIdle<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isReason(error, "MODULE_BUSY")) throw error;
      await turn();
    }
  }
}

describe("while the flag hot_reload_modules is off", () => {
  itInEach(
    "the replacement of a %s module is refused with the name of whoever switched the flag off, and the module serves on",
    async (isolation) => {
      const clock = createManualClock(Date.parse("2026-03-02T08:00:00Z"));
      const { modules, flags, load, call } = await rig({ clock });
      await load("echo_v1", { isolation }, "echo");
      await flags.disable(FLAG, {}, BY);
      // Later changes do not hide the actor.
      await flags.update(FLAG, { description: "frozen" }, {}, { actor: "bob" });
      const before = modules.get("echo");
      for (const refused of [
        () => modules.swap("echo", { newVersionPath: "echo_v2" }),
        () => modules.swap("echo", { newVersionPath: "echo_v2", force: true, swapId: "release" }),
        () => modules.swapAll([{ name: "echo", newVersionPath: "echo_v2" }]),
        () => modules.load("echo", { forceReload: true }),
        () => modules.register("echo", { modulePath: "echo_v2", isolation }, { replace: true }),
      ]) {
        const error = await errorOf(refused());
        expect(error).toMatchObject({
          reason: "HOT_RELOAD_DISABLED",
          code: "FAILED_PRECONDITION",
          message: `hot reload is off for echo: flag ${FLAG} was switched off by ana`,
          metadata: { module: "echo", flag: FLAG, actor: "ana", reason: "the open", time: "2026-03-02T08:00:00Z" },
        });
        expect(error.metadata).toMatchObject({ evaluation: "DISABLED", action: "DisableFlag" });
      }
      expect(modules.get("echo")).toEqual(before);
      expect(await call("echo", "who_am_i")).toMatchObject({ version: "1.0.0" });
      // The id of a refused swap is free.
      await flags.enable(FLAG);
      expect(await modules.swap("echo", { newVersionPath: "echo_v2", swapId: "release" })).toMatchObject({
        swapped: true,
      });
    },
  );
});

describeInEither("while the flag hot_reload_modules is off", () => {
  it("a rollback, a restart after a crash, an unload and a load are still possible", async () => {
    const { modules, flags, load, call, reaches } = await rig();
    await load("echo_v1", {}, "echo");
    await modules.swap("echo", { newVersionPath: "echo_v2" });
    await flags.disable(FLAG, {}, BY);
    expect(await modules.rollBack("echo")).toMatchObject({ swapped: true, toVersion: "1.0.0" });
    await call("echo", "exit").catch(() => {});
    await reaches("echo", "FAILED");
    await reaches("echo", "ACTIVE");
    await onceIdle(() => modules.unload("echo"));
    await modules.load("echo", { forceReload: true });
    expect(await call("echo", "who_am_i")).toMatchObject({ version: "1.0.0" });
    // A new registration, and one that changes nothing, replace nothing.
    await modules.register("other", { modulePath: "echo_v1" }, { replace: true });
    await modules.register("other", { modulePath: "echo_v1" }, { replace: true });
  });

  it("the registration of an unloaded module cannot be replaced until the flag is on", async () => {
    const { modules, flags, register } = await rig();
    await register("echo_v1", {}, "echo");
    await flags.disable(FLAG);
    const replace = () => modules.register("echo", { modulePath: "echo_v2" }, { replace: true });
    expect(await errorOf(replace())).toMatchObject({
      reason: "HOT_RELOAD_DISABLED",
      metadata: { actor: "somebody who gave no name" },
    });
    await flags.enable(FLAG);
    expect(await replace()).toMatchObject({ record: { registration: { modulePath: "echo_v2" } } });
  });

  it("a version on trial goes back by itself, and a swap that began earlier completes", async () => {
    const { modules, flags, load, call } = await rig();
    await load("echo_v1", {}, "echo");
    const swap = modules.swap("echo", { newVersionPath: "echo_v2", bakeMs: 60_000 }, undefined, async (event) => {
      if (event.type !== "started" || event.name !== "bake") return;
      await flags.disable(FLAG, {}, BY);
      await call("echo", "exit").catch(() => {});
    });
    expect(await swap).toMatchObject({ swapped: false, failedStep: "bake" });
    expect(await call("echo", "who_am_i")).toMatchObject({ version: "1.0.0" });
  });

  it("a starting service loads its modules", async () => {
    const engine = await rig();
    await engine.load("echo_v1", {}, "echo");
    await engine.flags.disable(FLAG, {}, BY);
    await engine.close();
    const next = await rig({ store: engine.store });
    await next.modules.settled;
    expect(await next.call("echo", "who_am_i")).toMatchObject({ version: "1.0.0" });
  });
});

describeInEither("the flag hot_reload_modules", () => {
  const source = (version: string): string => `export default class A { static version = "${version}"; }`;
  const two = async () => {
    const { path, write } = await ownRoot({ "a.js": source("1"), "b.js": source("1") });
    const made = await rig({ root: path });
    await made.load("a");
    await made.load("b");
    await write("a.js", source("2"));
    await write("b.js", source("2"));
    return made;
  };

  it("freezes all modules except those on its whitelist, and a group with a module that is not on it", async () => {
    const { modules, flags } = await two();
    await flags.addToWhitelist(FLAG, ["system:a"], { setStrategy: true }, BY);
    expect(await errorOf(modules.swapAll([{ name: "a" }, { name: "b" }]))).toMatchObject({
      reason: "HOT_RELOAD_DISABLED",
      metadata: { module: "b", actor: "ana", evaluation: "DEFAULT", action: "AddToWhitelist" },
    });
    expect(await modules.swap("a")).toMatchObject({ swapped: true, toVersion: "2" });
    expect(await errorOf(modules.swap("b"))).toMatchObject({ reason: "HOT_RELOAD_DISABLED" });
  });

  it("names the actor who switched it off, not the one who later added single modules to its whitelist", async () => {
    const { modules, flags } = await two();
    await flags.disable(FLAG, {}, BY);
    await flags.addToWhitelist(FLAG, ["a"], {}, { actor: "bob" });
    expect(await modules.swap("a")).toMatchObject({ swapped: true });
    expect(await errorOf(modules.swap("b"))).toMatchObject({ metadata: { module: "b", actor: "ana" } });
  });

  it("freezes all modules of a group under ALL_OFF, and names them", async () => {
    const { modules, flags } = await two();
    await flags.enable(FLAG, { strategy: "ALL_OFF" }, BY);
    expect(await errorOf(modules.swapAll([{ name: "a" }, { name: "b" }]))).toMatchObject({
      metadata: { module: "a, b", actor: "ana" },
    });
  });

  it("the flag with a percentage freezes by buckets if it buckets by system, and freezes everything if there is no key", async () => {
    const { modules, flags } = await two();
    await flags.update(FLAG, { strategy: "PERCENTAGE", percentage: 50, bucketBy: "SYSTEM" }, { rebucket: true }, BY);
    const on = (name: string): boolean => flags.isEnabled(FLAG, { system: name });
    for (const name of ["a", "b"]) {
      const swap = modules.swap(name, { force: true });
      if (on(name)) expect(await swap).toMatchObject({ swapped: true });
      else expect(await errorOf(swap)).toMatchObject({ metadata: { evaluation: "SPLIT", actor: "ana" } });
    }
    await flags.update(FLAG, { bucketBy: "SESSION_ID" }, { rebucket: true }, BY);
    expect(await errorOf(modules.swap("a"))).toMatchObject({ metadata: { evaluation: "TARGETING_KEY_MISSING" } });
  });

  it("the flag with a prerequisite that is off names the actor who switched that one off", async () => {
    const { modules, flags } = await two();
    await flags.create("market_closed", { enabled: true });
    await flags.update(FLAG, { prerequisites: ["market_closed"] }, {}, { actor: "bob" });
    await flags.disable("market_closed", {}, BY);
    expect(await errorOf(modules.swap("a"))).toMatchObject({
      reason: "HOT_RELOAD_DISABLED",
      metadata: { module: "a", flag: "market_closed", actor: "ana" },
    });
  });

  it("freezes nothing once it is deleted", async () => {
    const { modules, flags } = await two();
    await flags.disable(FLAG, {}, BY);
    await flags.delete(FLAG);
    expect(await modules.swap("a")).toMatchObject({ swapped: true });
  });
});
