import { describe, expect, it } from "vitest";
import type { SwapEvent } from "../../../../src/core/modules/swap/state/events.ts";
import { errorOf } from "../../../support/errors.ts";
import { itInEach } from "../../../support/isolations.ts";
import { until } from "../../../support/until.ts";
import { refusing } from "../refusing.ts";
import { ownRoot, rig } from "../rig.ts";

const source = (version: string): string => `export default class A { static version = "${version}"; }`;

/** Version 1 of `a`, in `a.js`; `b.js` is version 2. */
async function start(isolation: "PROCESS" | "THREAD" = "THREAD") {
  const disk = refusing();
  const root = await ownRoot({ "a.js": source("1"), "b.js": source("2") });
  const made = await rig({ root: root.path, store: disk.store });
  await made.load("a", { isolation });
  const swap = (newVersionPath = "b", listener?: (event: SwapEvent) => void) =>
    made.modules.swap("a", { newVersionPath, swapId: "release" }, undefined, listener);
  const swapsStored = async () => (await disk.store.list("swap/")).entries;
  return { ...made, ...disk, root, swap, swapsStored };
}

const DONE = { swapId: "release", swapped: true, unchanged: false, fromVersion: "1", toVersion: "2" };

describe("the id of a swap", () => {
  itInEach("is free if the store could not record the beginning (%s)", async (isolation) => {
    const { swap, refuse, modules } = await start(isolation);
    refuse("swap/", 1);
    const [first, joined] = await Promise.all([errorOf(swap()), errorOf(swap())]);
    expect([first.reason, joined.reason]).toEqual(["STORE_UNAVAILABLE", "STORE_UNAVAILABLE"]);
    expect(modules.swapUnderWay("a")).toBeUndefined();
    expect(await swap()).toMatchObject(DONE);
  });

  it("is then free for other content too", async () => {
    const { modules, swap, refuse } = await start();
    refuse("swap/", 1);
    await errorOf(swap("nowhere"));
    expect(await swap()).toMatchObject(DONE);
    expect((await errorOf(modules.swap("a", { swapId: "release" }))).reason).toBe("SWAP_ID_REUSED");
  });

  it("is free, also in the store, if the store refused the switch", async () => {
    const { swap, refuse, modules, swapsStored } = await start();
    const refused = await swap("b", (event) => {
      if (event.type === "ended" && event.step.name === "warm_up") refuse("swap/", 2);
    });
    expect(refused).toMatchObject({ swapId: "release", swapped: false, failedStep: "commit" });
    expect(refused.failure).toContain("disk full");
    expect(modules.get("a").record.lastSwap).toMatchObject({ swapId: "release", swapped: false });
    await until(async () => (await swapsStored()).length === 0);
    expect(await swap()).toMatchObject(DONE);
  });

  it("is free after a failed swap even if that cannot be stored, and keeps the outcome of the next swap", async () => {
    const { swap, root, refuse, refused, swapsStored } = await start();
    const begun = (event: SwapEvent): void => {
      if (event.type === "started" && event.name === "verify") refuse("swap/", 3);
    };
    expect((await errorOf(swap("c", begun))).reason).toBe("MODULE_FILE_NOT_FOUND");
    await until(() => refused() > 0);
    refuse("swap/", 0);
    await root.write("c.js", source("2"));
    expect(await swap("c")).toMatchObject(DONE);
    expect(await swap("c")).toMatchObject(DONE);
    expect((await swapsStored()).map(({ key, value }) => [key, JSON.parse(value).phase])).toEqual([
      ["swap/a/release", "ENDED"],
    ]);
  });

  it("is not shown as under way for ever after its listener has thrown", async () => {
    const { modules, swap } = await start();
    const broken = new Error("the listener is broken");
    const listener = (): void => {
      throw broken;
    };
    await expect(swap("b", listener)).rejects.toBe(broken);
    expect(modules.swapUnderWay("a")).toBeUndefined();
  });

  it("is free if the swap was refused, for whatever reason", async () => {
    const { modules, flags, swap, register } = await start();
    const swapWith = (by: { etag?: string }, more = {}) =>
      errorOf(modules.swap("a", { newVersionPath: "b", swapId: "release", ...more }, by));
    await flags.disable("hot_reload_modules");
    expect((await swapWith({})).reason).toBe("HOT_RELOAD_DISABLED");
    await flags.enable("hot_reload_modules");
    expect((await swapWith({ etag: "old" })).reason).toBe("ETAG_MISMATCH");
    expect((await swapWith({}, { expectedGeneration: 7 })).reason).toBe("MODULE_GENERATION_MISMATCH");
    expect((await swapWith({}, { shadow: {} })).reason).toBe("ARGUMENT_INVALID");
    const busy = modules.unload("a");
    expect((await swapWith({})).reason).toBe("MODULE_BUSY");
    await busy;
    expect((await swapWith({})).reason).toBe("MODULE_STATE_CONFLICT");
    await register("b", { hotReloadable: false });
    await modules.load("b");
    expect((await errorOf(modules.swap("b", { swapId: "release" }))).reason).toBe("MODULE_NOT_HOT_RELOADABLE");
    await modules.load("a");
    expect(await swap()).toMatchObject(DONE);
  });
});
