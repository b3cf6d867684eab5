import { expect, it } from "vitest";
import { createManualClock } from "../../../../src/kernel/clock.ts";
import { describeInEither } from "../../../support/isolations.ts";
import { rig } from "../rig.ts";

/** Two modules in version 1. Between the start of a new version and its commit, 1 s passes for each module. */
async function slowSwaps() {
  const clock = createManualClock();
  const engine = await rig({ clock });
  const { modules } = engine;
  for (const name of ["a", "b"]) {
    await engine.load("echo_v1", {}, name);
    modules.addReloadHook(name, () => clock.advance(1000));
  }
  const served = (name: string) => {
    const { lifecycle } = modules.get(name).record;
    const [newest] = modules.generations(name);
    if (!("running" in lifecycle) || newest === undefined) throw new Error(`module ${name} does not run`);
    const { version, loadTime } = lifecycle.running;
    return { version, loadTime, startTime: newest.startTime };
  };
  return { ...engine, clock, served };
}

const newVersionPath = "echo_v2";

describeInEither("a version serves since the switch, not since its start", () => {
  it("after a swap", async () => {
    const { modules, clock, served } = await slowSwaps();
    const startTime = clock.now();
    await modules.swap("a", { newVersionPath });
    expect(served("a")).toEqual({ version: "2.0.0", loadTime: startTime + 1000, startTime });
  });

  it("after a swap of a group", async () => {
    const { modules, clock, served } = await slowSwaps();
    const startTime = clock.now();
    await modules.swapAll([
      { name: "a", newVersionPath },
      { name: "b", newVersionPath },
    ]);
    for (const name of ["a", "b"]) {
      expect(served(name)).toEqual({ version: "2.0.0", loadTime: startTime + 2000, startTime });
    }
  });

  it("after a rollback", async () => {
    const { modules, clock, served } = await slowSwaps();
    await modules.swap("a", { newVersionPath });
    clock.advance(5000);
    const startTime = clock.now();
    await modules.rollBack("a");
    expect(served("a")).toEqual({ version: "1.0.0", loadTime: startTime + 1000, startTime });
  });

  it("after a rollback that ends a bake", async () => {
    const { modules, clock, served } = await slowSwaps();
    const baking = Promise.withResolvers<void>();
    const swapped = modules.swap("a", { newVersionPath, bakeMs: 60_000 }, {}, (event) => {
      if (event.type === "started" && event.name === "bake") baking.resolve();
    });
    await baking.promise;
    clock.advance(5000);
    await modules.rollBack("a");
    await swapped;
    expect(served("a")).toMatchObject({ version: "1.0.0", loadTime: clock.now() });
  });
});
