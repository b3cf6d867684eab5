// @module-tag soak

import { describe, expect, it } from "vitest";
import type { StepName } from "../../../src/core/modules/record/report.ts";
import { refusing } from "../../core/modules/refusing.ts";
import { errorOf } from "../../support/errors.ts";
import { describeInEach } from "../../support/isolations.ts";
import { type ActingCell, actingCell, actsOn } from "./acting.ts";
import { bodyOf, type Misbehaviour } from "./cell.ts";
import { feed } from "./feed.ts";

const WRONG = ["throws", "hangs", "exits"] as const satisfies readonly Misbehaviour[];

/** The parts in which a new version can fail before the switch, and the step of each. */
const PLACES = {
  import: "start",
  construct: "start",
  start: "start",
  health: "health",
  importState: "hand_over",
} as const satisfies Record<string, StepName>;

/** Code that has the effect only in its first run. */
const once = (code: string): string => `if (!globalThis.done) { globalThis.done = true; ${code} }`;

/** Ends the serving instance when that step starts. */
function endingOld(one: ActingCell, step: StepName) {
  const { instance } = one.modules.activeInstance("counter");
  const exit = (): Promise<unknown> => errorOf(instance.invoke("exit", { json: null }, { timeoutMs: 60_000 }));
  return (event: { readonly type: string; readonly name?: string }): void => {
    if (event.type === "started" && event.name === step) void exit();
  };
}

async function onTrial(one: ActingCell) {
  const begun = Promise.withResolvers<void>();
  const swapped = one.swap({ bakeMs: 60_000 }, (event) => {
    if (event.type === "started" && event.name === "bake") begun.resolve();
  });
  await begun.promise;
  await one.places("2");
  return swapped;
}

describeInEach("orders of a module in a %s that acts of its own accord", (isolation) => {
  it("are placed once each over a swap without a fault", async () => {
    const one = await actingCell({ isolation });
    expect(await one.swap()).toMatchObject({ swapped: true, stateLost: false });
    await actsOn(one, "1", "2");
  });

  describe.each(Object.entries(PLACES))("with a fault of the new version in %s", (part, step) => {
    // A constructor cannot wait.
    it.each(WRONG.filter((what) => part !== "construct" || what !== "hangs"))(
      "%s: the old version places them",
      async (what) => {
        const one = await actingCell({ isolation, v2: feed(2, { [part]: bodyOf(what, isolation) }) });
        expect(await one.swap()).toMatchObject({ swapped: false, failedStep: step, stateLost: false });
        await actsOn(one, "1");
      },
    );
  });

  it.each(["throws", "hangs"] as const)("continue from the old version if that %s in exportState", async (what) => {
    const one = await actingCell({ isolation, v1: feed(1, { exportState: once(bodyOf(what, isolation)) }) });
    expect(await one.swap()).toMatchObject({ swapped: false, failedStep: "hand_over", stateLost: false });
    await actsOn(one, "1");
  });

  it("continue from the new version if the old one ends in exportState", async () => {
    const one = await actingCell({ isolation, v1: feed(1, { exportState: bodyOf("exits", isolation) }) });
    expect(await one.swap()).toMatchObject({ swapped: true, stateLost: true });
    await actsOn(one, "1", "2");
  });

  it("continue from the same version, and then from the new one, if the old one ends while the new one is tested", async () => {
    const one = await actingCell({ isolation });
    one.modules.addReloadHook("counter", async () => {
      if (one.modules.get("counter").record.generation > 1) return;
      await errorOf(one.call("counter", "exit"));
      await one.reaches("counter", "FAILED");
      await one.reaches("counter", "ACTIVE");
      await one.places("1");
    });
    expect(await one.swap()).toMatchObject({ swapped: true, stateLost: false });
    await actsOn(one, "1", "2");
  });

  it("continue from the new version if the old one ends right after the switch", async () => {
    const one = await actingCell({ isolation });
    expect(await one.swap({}, endingOld(one, "drain"))).toMatchObject({ swapped: true, stateLost: false });
    await actsOn(one, "1", "2");
  });

  it("continue from the old version if the new one ends on trial", async () => {
    const one = await actingCell({ isolation });
    const swapped = onTrial(one);
    await one.places("2");
    await errorOf(one.call("counter", "exit"));
    expect(await swapped).toMatchObject({ swapped: false, failedStep: "bake", stateLost: true });
    await actsOn(one, "1", "2", "1");
  });

  it("continue from the old version if the new one is rolled back on trial", async () => {
    const one = await actingCell({ isolation });
    const swapped = onTrial(one);
    await one.places("2");
    expect(await one.modules.rollBack("counter")).toMatchObject({ swapped: true, stateLost: false });
    expect(await swapped).toMatchObject({ swapped: false, failedStep: "bake" });
    await actsOn(one, "1", "2", "1");
  });

  it("continue from the old version's code if that ended on standby before a rollback", async () => {
    const one = await actingCell({ isolation });
    const swapped = one.swap({ bakeMs: 60_000 }, endingOld(one, "bake"));
    await one.places("2");
    while (one.modules.get("counter").record.bake?.standbyEnd === undefined) await one.places("2");
    expect(await one.modules.rollBack("counter")).toMatchObject({ swapped: true, stateLost: false });
    expect(await swapped).toMatchObject({ swapped: false, failedStep: "bake" });
    await actsOn(one, "1", "2", "1");
  });

  it("continue from the old version if the disk refuses the switch", async () => {
    const { store, refuse, refused } = refusing();
    const one = await actingCell({ isolation, store });
    const result = await one.swap({}, (event) => {
      // The next write of the swap is its commit.
      if (event.type === "ended" && event.step.name === "hand_over") refuse("swap/", 1);
    });
    expect(refused()).toBe(1);
    expect(result).toMatchObject({ swapped: false, failedStep: "commit", stateLost: false });
    await actsOn(one, "1");
  });

  it("continue after a restart if the module ends by itself", async () => {
    const one = await actingCell({ isolation });
    await errorOf(one.call("counter", "exit"));
    await one.reaches("counter", "FAILED");
    await one.reaches("counter", "ACTIVE");
    await actsOn(one, "1");
  });
});
