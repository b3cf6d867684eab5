import { describe, expect, it } from "vitest";
import { type FlagsRig, flagsRig, reason } from "./harness.ts";

const HOUR = 3_600_000;
const KILLED = reason("FLAG_KILLED", { name: "a" });

/** Flag service with the flag `a`, which was on for all and then killed. */
async function killed(file?: string): Promise<FlagsRig> {
  const made = await flagsRig(file === undefined ? {} : { file });
  await made.flags.create("a", { enabled: true });
  await made.flags.disable("a", { kill: true }, { actor: "ana", reason: "orders twice" });
  return made;
}

describe("a killed flag", () => {
  it("is off, and its answer says that it must not be cached", async () => {
    const { flags } = await killed();
    expect(flags.get("a").record).toMatchObject({ enabled: false, killed: true, strategy: "ALL_ON" });
    expect(flags.evaluate("a")).toMatchObject({ enabled: false, reason: "DISABLED", killed: true });
    const [change] = await flags.history("a", { limit: 1 });
    expect(change?.cause).toEqual({ action: "DisableFlag", actor: "ana", reason: "orders twice" });
  });

  it("is restored only by enabling it with a reason", async () => {
    const { flags } = await killed();
    await expect(flags.enable("a")).rejects.toEqual(KILLED);
    for (const reason of ["  ", "\u200b", "\u2060\ufeff\u00ad"])
      await expect(flags.enable("a", {}, { actor: "ana", reason })).rejects.toEqual(KILLED);
    const { record } = await flags.enable("a", {}, { reason: "fixed in 2.1" });
    expect(record.enabled).toBe(true);
    expect(record).not.toHaveProperty("killed");
    expect(flags.evaluate("a")).toMatchObject({ enabled: true, killed: false });
  });

  it("is not restored by any other change", async () => {
    const { flags, clock, feed } = await killed();
    const before = feed.revision;
    const whenOn = before - 1;
    const by = { reason: "a reason does not help here" };
    const attempts: Record<string, () => Promise<unknown>> = {
      SetPercentage: () => flags.setPercentage("a", 50, {}, by),
      SetGradual: () => flags.setGradual("a", { targetPercentage: 50, endTime: clock.now() + HOUR }, by),
      AddToWhitelist: () => flags.addToWhitelist("a", ["BTCZAR"], {}, by),
      UpdateFlag: () => flags.update("a", { enabled: true }, {}, by),
      RevertFlag: () => flags.revert("a", whenOn, {}, by),
    };
    for (const [attempted, attempt] of Object.entries(attempts)) {
      await expect(attempt()).rejects.toEqual(reason("FLAG_KILLED", { name: "a", attempted }));
    }
    expect(feed.revision).toBe(before);
    expect(flags.isEnabled("a")).toBe(false);
  });

  it("can be changed without being switched on, and stays killed", async () => {
    const { flags } = await killed();
    await flags.update("a", { percentage: 5, strategy: "PERCENTAGE", description: "off since Monday" });
    await flags.addToWhitelist("a", ["BTCZAR"], { setStrategy: false });
    await flags.enable("a", { strategy: "ALL_ON", enabled: false });
    await flags.disable("a");
    expect(flags.get("a").record).toMatchObject({ enabled: false, killed: true, percentage: 5, strategy: "ALL_ON" });
  });

  it("is killed once: a second kill changes nothing", async () => {
    const { flags, feed } = await killed();
    const before = feed.revision;
    await flags.disable("a", { kill: true });
    expect(feed.revision).toBe(before);
  });

  it("stays as it is if a file differs, in both modes, and the other flags follow the file", async () => {
    const { flags, write, logged } = await killed();
    write(JSON.stringify({ a: { enabled: true, strategy: "all_on" }, b: { enabled: true, strategy: "all_on" } }));
    const merged = await flags.reload();
    expect(merged).toMatchObject({ differences: [{ name: "b" }], stillKilled: ["a"] });
    expect(flags.isEnabled("a")).toBe(false);
    expect(logged).toContainEqual([
      "flags",
      "warn",
      "killed flags stay killed",
      { names: ["a"], fileName: "flags.json" },
    ]);
    write("{}");
    expect(await flags.reload({ mode: "REPLACE" })).toMatchObject({ differences: [{ name: "b" }], stillKilled: ["a"] });
    expect(flags.list().map(({ name }) => name)).toEqual(["a"]);
  });

  it("follows a file that also says that it is killed", async () => {
    const { flags, write } = await killed();
    const { flags: shape } = flags.export();
    expect(shape.a).toMatchObject({ enabled: false, killed: true });
    write(JSON.stringify({ a: { ...shape.a, description: "new" } }));
    expect(await flags.reload()).toMatchObject({ differences: [{ name: "a" }], stillKilled: [] });
    expect(flags.get("a").record).toMatchObject({ description: "new", killed: true });
  });

  it("may be killed by a file, and stays off", async () => {
    const { flags, write } = await flagsRig();
    await flags.create("a", { enabled: true });
    write(JSON.stringify({ a: { enabled: false, strategy: "all_on", killed: true } }));
    await flags.reload();
    await expect(flags.enable("a")).rejects.toEqual(KILLED);
  });

  it("is still killed when its name is used again after it was deleted", async () => {
    const { flags } = await killed();
    await flags.delete("a");
    await expect(flags.create("a", { enabled: true }, { revive: true })).rejects.toEqual(KILLED);
    expect((await flags.create("a", {}, { revive: true })).record).toMatchObject({ enabled: false, killed: true });
  });

  it("is killed again by a revert to a killed revision, and stays killed after a revert to one that was off", async () => {
    const { flags, feed } = await killed();
    const whenKilled = feed.revision;
    await flags.enable("a", {}, { reason: "fixed" });
    await flags.disable("a");
    const whenOff = feed.revision;
    await flags.revert("a", whenKilled);
    expect(flags.get("a").record.killed).toBe(true);
    await flags.revert("a", whenOff);
    expect(flags.get("a").record).toMatchObject({ enabled: false, killed: true });
  });

  it("survives a restart", async () => {
    const { restart } = await killed();
    const { flags } = await restart();
    await expect(flags.setPercentage("a", 100)).rejects.toEqual(KILLED);
  });
});
