import { expect, it } from "vitest";
import { errorOf } from "../../../support/errors.ts";
import { describeInEach } from "../../../support/isolations.ts";
import { until } from "../../../support/until.ts";
import { ownRoot, rig } from "../rig.ts";

const PREDICTOR = `import { readFileSync } from "node:fs";
  export default class {
    constructor() { this.weights = readFileSync(new URL("./weights.bin", import.meta.url), "utf8") }
    predict() { return this.weights }
    die() { process.exit(1) }
  }`;

describeInEach("a module with assets in a %s", (isolation) => {
  const serving = async () => {
    const root = await ownRoot({ "m.mjs": PREDICTOR, "weights.bin": "one", "other.bin": "other" });
    const engine = await rig({ root: root.path });
    await engine.load("m", { isolation, assets: ["weights.bin"] });
    const predict = () => engine.call("m", "predict");
    return { ...engine, write: root.write, path: root.path, predict };
  };

  it("is swapped if only its assets have changed, and not if they are unchanged", async () => {
    const { modules, write, predict } = await serving();
    expect(await modules.swap("m")).toMatchObject({ swapped: true, unchanged: true });
    await write("weights.bin", "two");
    expect(await modules.swap("m")).toMatchObject({ swapped: true, unchanged: false });
    expect(await predict()).toBe("two");
    expect(modules.get("m").record.registration.assets).toEqual(["weights.bin"]);
  });

  it("has its old assets after a rollback, after a restart of the module, and after one of the service", async () => {
    const { modules, write, predict, call, reaches, store, path, close } = await serving();
    await write("weights.bin", "two");
    await modules.swap("m");
    expect(await modules.rollBack("m")).toMatchObject({ swapped: true });
    expect(await predict()).toBe("one");
    const { restarts } = modules.get("m").record;
    await call("m", "die").catch(() => {});
    await until(() => modules.get("m").record.restarts !== restarts);
    await reaches("m", "ACTIVE");
    expect(await predict()).toBe("one");
    await close();
    const next = await rig({ root: path, store });
    await next.modules.settled;
    expect(await next.call("m", "predict")).toBe("one");
  });

  it("keeps its assets if the new ones cannot be used, and the result says why", async () => {
    const { modules, predict } = await serving();
    expect(await errorOf(modules.swap("m", { assets: ["nothing.bin"] }))).toMatchObject({
      reason: "MODULE_ASSET_INVALID",
      message: "the assets of m cannot be taken: nothing.bin does not exist",
    });
    expect(await predict()).toBe("one");
    expect(modules.get("m").record.generation).toBe(1);
  });

  it("is swapped to other asset paths, and a rollback restores the old paths", async () => {
    const { modules, call } = await serving();
    const assets = ["other.bin", "weights.bin", "other.bin"];
    expect(await modules.swap("m", { assets })).toMatchObject({ swapped: true, unchanged: false });
    expect(modules.get("m").record.registration.assets).toEqual(["other.bin", "weights.bin"]);
    expect(await modules.swap("m", { assets })).toMatchObject({ unchanged: true });
    await modules.rollBack("m");
    expect(modules.get("m").record.registration.assets).toEqual(["weights.bin"]);
    expect(await call("m", "predict")).toBe("one");
  });
});

it("a registration with other assets is a different registration", async () => {
  const root = await ownRoot({ "m.mjs": PREDICTOR, "weights.bin": "one", "other.bin": "other" });
  const { modules } = await rig({ root: root.path });
  await modules.register("m", { modulePath: "m", assets: ["weights.bin", "other.bin"] });
  await modules.register("m", { modulePath: "m", assets: ["other.bin", "weights.bin", "other.bin"] });
  const error = await errorOf(modules.register("m", { modulePath: "m", assets: ["weights.bin"] }));
  expect(error).toMatchObject({ reason: "MODULE_ALREADY_EXISTS", metadata: { differences: "assets" } });
  for (const assets of [
    "weights.bin",
    [7],
    [""],
    Array.from({ length: 101 }, (_, index) => `a${index}`),
    ["x".repeat(1025)],
  ] as string[][]) {
    expect((await errorOf(modules.register("n", { modulePath: "m", assets }))).reason).toBe("ARGUMENT_INVALID");
  }
});

it("a modules file names assets, and an error shows the place of a wrong one", async () => {
  const root = await ownRoot({ "m.mjs": PREDICTOR, "weights.bin": "one" });
  const file = (assets: string): string => `{ "m": { "module_path": "m", "load": true,\n "assets": ["${assets}"] } }`;
  const { modules, call } = await rig({ root: root.path, modulesFile: file("weights.bin") });
  await modules.settled;
  expect(await call("m", "predict")).toBe("one");
  expect(await errorOf(rig({ root: root.path, modulesFile: file("nothing") }))).toMatchObject({
    reason: "MODULES_FILE_INVALID",
    metadata: { line: "2", key: "m.assets" },
  });
});
