// @module-tag soak

import { createHash, randomFillSync } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { answering, hostOf, launch, run, tree } from "../../core/modules/artifact-rig.ts";

const MIB = 1024 * 1024;

it("the service loads none of 96 MiB of weights, which a module reads unchanged", {
  timeout: 120_000,
}, async () => {
  const root = tree({
    "m.mjs": answering(
      'createHash("sha256").update(readFileSync(new URL("weights.bin", import.meta.url))).digest("hex")',
      'import { createHash } from "node:crypto"; import { readFileSync } from "node:fs";',
    ),
  });
  const hash = createHash("sha256");
  const file = openSync(join(root, "weights.bin"), "w");
  for (let written = 0; written < 96; written += 1) {
    const piece = randomFillSync(Buffer.alloc(MIB));
    hash.update(piece);
    writeSync(file, piece);
  }
  closeSync(file);
  const host = hostOf(root, { artifactsDir: tree() });
  const before = process.memoryUsage().arrayBuffers;
  let most = before;
  const looking = setInterval(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers);
  }, 1);
  const module = await host.resolve("m", ["weights.bin"]);
  const instance = await launch(host, module, "PROCESS");
  clearInterval(looking);
  expect(await run(instance)).toBe(hash.digest("hex"));
  expect((most - before) / MIB).toBeLessThan(32);
});
