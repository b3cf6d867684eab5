import { expect, it } from "vitest";
import { errorOf } from "../../../support/errors.ts";
import { describeInEither } from "../../../support/isolations.ts";
import { SOAK } from "../../../support/soak.ts";
import { ownRoot, rig } from "../rig.ts";
import { startTraffic } from "../traffic.ts";

/** `outer` calls `inner`, and answers with both versions. */
async function pair(stateful: boolean) {
  const state = stateful ? "exportState() { return this.count; } importState(count) { this.count = count; }" : "";
  const inner = (version: number): string => `export default class Inner {
    static version = "${version}";
    count = 0;
    which() { this.count += 1; return { inner: ${version}, count: this.count }; }
    ${state}
  }`;
  const outer = (version: number): string => `export default class Outer {
    static version = "${version}";
    #ctx;
    constructor(ctx) { this.#ctx = ctx; }
    async which() {
      await new Promise((resolve) => setTimeout(resolve, 2));
      return { outer: ${version}, ...(await this.#ctx.call("inner", "which")) };
    }
    ${stateful ? "exportState() {} importState() {}" : ""}
  }`;
  const { path } = await ownRoot({
    "inner1.js": inner(1),
    "inner2.js": inner(2),
    "outer1.js": outer(1),
    "outer2.js": outer(2),
    "broken.js": "export default class Broken { start() { throw new Error('no'); } }",
  });
  const engine = await rig({ root: path });
  await engine.load("inner1", {}, "inner");
  await engine.load("outer1", { dependencies: ["inner"] }, "outer");
  return engine;
}

const to = (version: number) => [
  { name: "outer", newVersionPath: `outer${version}` },
  { name: "inner", newVersionPath: `inner${version}` },
];

interface Seen {
  readonly outer: number;
  readonly inner: number;
  readonly count: number;
}

for (const [how, stateful] of [
  ["without state", false],
  ["with state", true],
] as const) {
  describeInEither(`a group of modules ${how}`, () => {
    it("is replaced at once: no call meets both versions, and none fails", stateful ? {} : SOAK, async () => {
      const { modules, call } = await pair(stateful);
      const traffic = startTraffic(() => call("outer", "which"), 16);
      for (const version of [2, 1, 2]) {
        await traffic.more(50);
        const { swapped, results } = await modules.swapAll(to(version));
        expect(swapped).toBe(true);
        expect(results.map(({ module, toVersion }) => [module.name, toVersion])).toEqual([
          ["outer", String(version)],
          ["inner", String(version)],
        ]);
      }
      await traffic.more(50);
      const { answers, failed } = await traffic.stop();
      expect(failed).toEqual([]);
      const seen = answers as Seen[];
      expect(seen.filter(({ outer, inner }) => outer !== inner)).toEqual([]);
      expect(new Set(seen.map(({ outer }) => outer))).toEqual(new Set([1, 2]));
      if (!stateful) return;
      const counts = seen.map(({ count }) => count).sort((a, b) => a - b);
      expect(counts).toEqual(Array.from({ length: counts.length }, (_unused, index) => index + 1));
    });
  });
}

describeInEither("a group of modules", () => {
  it("stays as it is if one of the new versions fails", async () => {
    const { modules, call } = await pair(false);
    const { swapped, results } = await modules.swapAll([
      { name: "outer", newVersionPath: "broken" },
      { name: "inner", newVersionPath: "inner2" },
    ]);
    expect(swapped).toBe(false);
    expect(results.map(({ failedStep, failure }) => [failedStep, failure?.includes("no")])).toEqual([
      ["start", true],
      ["start", true],
    ]);
    expect(await call("outer", "which")).toMatchObject({ outer: 1, inner: 1 });
    expect(modules.get("inner").record).toMatchObject({ generation: 1, lastSwap: { swapped: false } });
  });

  it("tests its new versions with calls to each other", async () => {
    const { modules } = await pair(false);
    const seen: unknown[] = [];
    modules.addReloadHook("outer", async (instance) => void seen.push(await instance.invoke("which")));
    await modules.swapAll(to(2));
    expect(seen).toEqual([{ outer: 2, inner: 2, count: 1 }]);
  });

  it("excludes members for which nothing changes", async () => {
    const { modules, call } = await pair(false);
    const { swapped, results } = await modules.swapAll([
      { name: "outer", newVersionPath: "outer1" },
      { name: "inner", newVersionPath: "inner2" },
    ]);
    expect([swapped, results.map(({ unchanged }) => unchanged)]).toEqual([true, [true, false]]);
    expect(await call("outer", "which")).toMatchObject({ outer: 1, inner: 2 });
    expect(modules.get("outer").record.generation).toBe(1);
  });

  it("goes back together from a trial", async () => {
    const { modules, call } = await pair(false);
    const swapped = modules.swapAll(to(2), { bakeMs: 3_600_000 });
    while (modules.get("inner").record.bake === undefined || modules.get("outer").record.bake === undefined) {
      await modules.hub.feed.reached(modules.hub.feed.revision + 1);
    }
    expect(await call("outer", "which")).toMatchObject({ outer: 2, inner: 2 });
    await modules.rollBack("inner", {}, { reason: "enough" });
    expect(await swapped).toMatchObject({ swapped: false });
    expect(await call("outer", "which")).toMatchObject({ outer: 1, inner: 1 });
  });

  it("cannot be swapped if a member is busy, named twice, or unknown", async () => {
    const { modules } = await pair(false);
    expect(await errorOf(modules.swapAll([]))).toMatchObject({ metadata: { field: "modules" } });
    expect(await errorOf(modules.swapAll([...to(2), ...to(1)]))).toMatchObject({ reason: "ARGUMENT_INVALID" });
    expect(await errorOf(modules.swapAll([{ name: "none" }]))).toMatchObject({ reason: "MODULE_NOT_FOUND" });
    const first = modules.swapAll(to(2));
    expect(await errorOf(modules.swap("inner", { force: true }))).toMatchObject({ reason: "MODULE_BUSY" });
    expect(await first).toMatchObject({ swapped: true });
  });
});
