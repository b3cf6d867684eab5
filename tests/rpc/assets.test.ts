import { expect, it } from "vitest";
import { createEngine, systemClock } from "../../src/core/index.ts";
import { ownRoot } from "../core/modules/rig.ts";
import { failure, serve } from "./module-rig.ts";

const FILES = {
  "m.mjs": `import { readFileSync } from "node:fs";
    const text = (name) => { try { return readFileSync(new URL(name, import.meta.url), "utf8") } catch ({ code }) { return code } };
    export default class { predict() { return [text("./weights.bin"), text("./other.bin")] } }`,
  "weights.bin": "weights",
  "other.bin": "other",
  "suite.mjs": `export default [{ name: "predicts", async run(module) {
    const [, other] = await module.call("predict");
    if (other !== "other") throw new Error("other weights are needed");
  } }]`,
};

it("the contract has the assets of a module in registrations, swaps and answers", async () => {
  const { path } = await ownRoot(FILES);
  const { client } = await serve(systemClock, path);
  const module = { name: "m", modulePath: "m", assets: ["weights.bin"] };
  expect((await client.registerModule(module)).module?.assets).toEqual(["weights.bin"]);
  await client.loadModule({ name: "m" });
  const predict = async () => (await client.invokeModule({ name: "m", method: "predict" })).output.value;
  const values = async () => JSON.stringify(await predict());
  expect(await values()).toMatch(/weights.*ERR_ACCESS_DENIED|ENOENT/);
  const swapped = await client.swapModule({ name: "m", assets: ["weights.bin", "other.bin"] });
  expect(swapped).toMatchObject({ swapped: true, module: { assets: ["other.bin", "weights.bin"] } });
  expect(await values()).toMatch(/weights.*other/);
  const group = await client.swapModules({ modules: [{ name: "m", assets: ["other.bin"] }] });
  expect(group.results[0]?.module?.assets).toEqual(["other.bin"]);
  await client.rollbackModule({ name: "m" });
  expect((await client.getModule({ name: "m" })).module?.assets).toEqual(["other.bin", "weights.bin"]);
  expect(await failure(client.registerModule({ name: "n", modulePath: "m", assets: ["no.bin"] }))).toMatchObject({
    code: "InvalidArgument",
    reason: "MODULE_ASSET_INVALID",
    metadata: { module_path: "m", problem: "no.bin does not exist" },
  });
  expect(await failure(client.registerModule({ name: "n", modulePath: "m", assets: [""] }))).toMatchObject({
    code: "InvalidArgument",
    reason: "ARGUMENT_INVALID",
  });
});

it("a test run with other assets is the gate of a swap to exactly these", async () => {
  const { path, write } = await ownRoot(FILES);
  const engine = await createEngine({ modulesRoot: path });
  try {
    await engine.modules.register("m", { modulePath: "m", assets: ["weights.bin"] });
    await engine.modules.load("m");
    expect((await engine.testing.run("m", "suite.mjs")).record.passed).toBe(false);
    const assets = ["weights.bin", "other.bin"];
    const run = await engine.testing.run("m", "suite.mjs", { assets });
    expect(run.record.passed).toBe(true);
    await write("weights.bin", "changed");
    const terms = { assets, testRun: run.name };
    expect(await engine.modules.swap("m", terms)).toMatchObject({ swapped: false, failedStep: "gate" });
    await write("weights.bin", "weights");
    expect(await engine.modules.swap("m", terms)).toMatchObject({ swapped: true, unchanged: false });
    await expect(engine.testing.run("m", "suite.mjs", { target: "ACTIVE", assets })).rejects.toMatchObject({
      reason: "ARGUMENT_INVALID",
      metadata: { field: "assets" },
    });
  } finally {
    await engine.close();
  }
});
