// @module-tag soak

import { mkdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { errorOf } from "../../support/errors.ts";
import { type Cell, cell, counter, goesOn } from "./cell.ts";

describe("a candidate whose code is not available", () => {
  const isolation = "THREAD";
  const wrong = "0".repeat(64);

  it("is not started if it is not the expected code", async () => {
    const one = await cell({ isolation });
    const result = await one.swap({ sha256: wrong });
    expect(result).toMatchObject({ swapped: false, failedStep: "verify", fromVersion: "1" });
    expect(result.failure).toContain(wrong);
    await goesOn(one, "1");
  });

  it.each<[string, string, string, RegExp]>([
    ["imports a missing file", "MODULE_INVALID", `import "./nothing.js";\n${counter(2)}`, /nothing\.js/],
    ["is not JavaScript", "MODULE_INVALID", "export default class {{", /v2\.js/],
    ["imports from outside the root", "MODULE_INVALID", `import "../outside.js";\n${counter(2)}`, /outside/],
  ])("is refused if it %s, with %s", async (_, reason, v2, message) => {
    const one = await cell({ isolation, v2 });
    const error = await errorOf(one.swap());
    expect(error).toMatchObject({ reason });
    expect(error.message).toMatch(message);
    expect(one.modules.get("counter").record.lastSwap).toBeUndefined();
    await goesOn(one, "1");
  });

  it.each<[string, string, (path: string) => Promise<unknown>]>([
    ["is gone", "MODULE_FILE_NOT_FOUND", async () => {}],
    ["is a directory", "MODULE_INVALID", (path) => mkdir(path)],
    ["is a link to a missing file", "MODULE_FILE_NOT_FOUND", (path) => symlink("nowhere.js", path)],
    ["is a link to itself", "MODULE_FILE_NOT_FOUND", (path) => symlink("v2.js", path)],
    ["is a link to the outside of the root", "MODULE_PATH_OUTSIDE_ROOT", (path) => symlink("/etc/hostname", path)],
  ])("is refused if its file %s, with %s", async (_, expected, make) => {
    const one = await cell({ isolation });
    await instead(one, make);
    const { reason } = await errorOf(one.swap());
    expect(reason).toBe(expected);
    expect(one.modules.get("counter").record.lastSwap).toBeUndefined();
    await goesOn(one, "1");
  });
});

async function instead({ root }: Cell, make: (path: string) => Promise<unknown>): Promise<void> {
  const path = join(root.path, "v2.js");
  await rm(path);
  await make(path);
}
