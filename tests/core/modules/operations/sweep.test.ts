import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Log } from "../../../../src/core/log.ts";
import type { Isolation } from "../../../../src/core/modules/host/types/host.ts";
import { createManualClock, type ManualClock } from "../../../../src/kernel/clock.ts";
import { describeInEach } from "../../../support/isolations.ts";
import { itInRows } from "../../../support/rows.ts";
import { SOAK } from "../../../support/soak.ts";
import { until } from "../../../support/until.ts";
import { ownRoot, type Rig, rig } from "../rig.ts";

const MINUTE = 60_000;
const source = (version: number): string => `export default class A {
  static version = "${version}";
  ask() { return ${version}; }
  die() { process.exit(1); }
}`;

interface Swept extends Rig {
  readonly clock: ManualClock;
  /** Lets that much time pass, and resolves when unused code has been deleted. */
  pass(minutes: number): Promise<void>;
}

/** Version 1 serves module `a`, and all time is that of the manual clock. */
async function serving(isolation: Isolation): Promise<Swept> {
  const files = { "v1.js": source(1), "v2.js": source(2), "v3.js": source(3) };
  const { path, write } = await ownRoot(files);
  const clock = createManualClock();
  const engine = await rig({ root: path, clock, hostClock: clock });
  await engine.load("v1", { isolation, pureMethods: ["ask"], blockTimeoutMs: 0 }, "a");
  let swept = 0;
  return {
    ...engine,
    clock,
    async pass(minutes) {
      swept += 1;
      await write(`unused-${swept}.js`, `// ${swept}\n${source(9)}`);
      const { artifact } = await engine.modules.resolveFresh("a", { modulePath: `unused-${swept}` });
      // The deletion of unused code follows a change.
      await engine.register("v3", {}, `other-${swept}`);
      clock.advance(minutes * MINUTE);
      await until(() => !existsSync(join(engine.artifactsDir, artifact)));
    },
  };
}

describeInEach("the code of a version in a %s is not deleted", (isolation) => {
  itInRows<["shadow" | "canary"]>(1, [["shadow"], ["canary"]])("during a %s of half an hour", async (trial) => {
    const engine = await serving(isolation);
    const begun = Promise.withResolvers<void>();
    const durationMs = 30 * MINUTE;
    const terms = trial === "shadow" ? { shadow: { minCalls: 1, durationMs } } : { canary: { durationMs } };
    const swapped = engine.modules.swap("a", { newVersionPath: "v2", swapId: "s", ...terms }, {}, (event) => {
      if (event.type === "started" && event.name === trial) begun.resolve();
    });
    await begun.promise;
    await engine.pass(16);
    if (trial === "shadow") await engine.call("a", "ask");
    engine.clock.advance(trial === "shadow" ? 0 : 14 * MINUTE);
    const { swapped: done, failedStep } = await swapped;
    if (!done) expect(failedStep).toBe(trial);
    // A restart, or a rollback from a failed candidate, starts its code.
    const { generations } = engine.modules.get("a").record;
    for (const { number } of generations.filter((one) => one.number !== engine.modules.get("a").record.generation)) {
      const back = await engine.modules.rollBack("a", { generation: number });
      expect(back).toMatchObject({ swapped: true });
    }
  });

  it("during a bake of an hour, like that of the version on standby", async () => {
    const engine = await serving(isolation);
    const begun = Promise.withResolvers<void>();
    const swapped = engine.modules.swap("a", { newVersionPath: "v2", bakeMs: 60 * MINUTE }, {}, (event) => {
      if (event.type === "started" && event.name === "bake") begun.resolve();
    });
    await begun.promise;
    await engine.pass(16);
    await engine.pass(16);
    await engine.call("a", "die").catch(() => {});
    expect(await swapped).toMatchObject({ swapped: false, failedStep: "bake" });
    expect(await engine.call("a", "ask")).toBe(1);
    expect(await engine.modules.rollBack("a", { generation: 2 })).toMatchObject({ swapped: true, toVersion: "2" });
    expect(await engine.call("a", "ask")).toBe(2);
  });

  it("while one of its instances is tested", async () => {
    const engine = await serving(isolation);
    const { artifact, instance } = await engine.modules.startFresh("a", { modulePath: "v2" });
    await engine.pass(16);
    await engine.pass(16);
    expect(existsSync(join(engine.artifactsDir, artifact))).toBe(true);
    instance.kill();
    await instance.ended;
    await engine.pass(16);
    expect(existsSync(join(engine.artifactsDir, artifact))).toBe(false);
  });
});

it("the code of a module that waits for other members of its swap to start is not deleted", SOAK, async () => {
  const { path, write } = await ownRoot({ "v1.js": source(1) });
  const waits = `import { existsSync } from "node:fs";
    import { setImmediate } from "node:timers/promises";
    export default class A {
      static version = "2";
      async start({ name, log, config }) {
        log.info(name + " waits");
        while (!existsSync(config.root + "/" + name)) await setImmediate();
      }
      ask() { return 2; }
    }`;
  await write("waits.js", waits);
  await write("last.js", source(3));
  const waiting = new Map(["a", "b"].map((name) => [`${name} waits`, Promise.withResolvers<void>()]));
  const clock = createManualClock();
  const log: Log = (_area, _level, message) => waiting.get(message)?.resolve();
  const engine = await rig({ root: path, clock, hostClock: clock, log });
  const fields = { grants: { fsRead: [path] }, config: { root: path }, blockTimeoutMs: 0, startTimeoutMs: 600_000 };
  for (const name of ["a", "b", "c"]) {
    await engine.load("v1", { ...fields, dependencies: name === "a" ? [] : name === "b" ? ["a"] : ["b"] }, name);
  }
  await write("unused.js", source(9));
  const unused = await engine.modules.resolveFresh("a", { modulePath: "unused" });
  const swapped = engine.modules.swapAll([
    { name: "a", newVersionPath: "waits" },
    { name: "b", newVersionPath: "waits" },
    { name: "c", newVersionPath: "last" },
  ]);
  for (const name of ["a", "b"]) {
    await waiting.get(`${name} waits`)?.promise;
    clock.advance(9 * MINUTE);
    if (name === "b") await until(() => !existsSync(join(engine.artifactsDir, unused.artifact)));
    await write(name, "");
  }
  expect(await swapped).toMatchObject({ swapped: true });
  expect(await engine.call("c", "ask")).toBe(3);
});
