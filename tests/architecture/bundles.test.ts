import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { BUNDLES, bundles } from "../../scripts/bundles.ts";

const ROOT = join(import.meta.dirname, "../..");

it("the generated code for module processes matches its source (if not: npm run generate)", async () => {
  const committed = readdirSync(join(ROOT, BUNDLES), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1));
  const code = await bundles();
  expect(committed.sort()).toEqual(Object.keys(code).sort());
  for (const [file, text] of Object.entries(code)) expect(readFileSync(join(ROOT, file), "utf8"), file).toBe(text);
});
