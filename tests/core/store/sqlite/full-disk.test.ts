import { spawnSync } from "node:child_process";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createEngine, type Engine } from "../../../../src/core/engine.ts";
import { isReason } from "../../../../src/core/errors/error.ts";
import type { Refusal } from "../../../../src/core/store/store.ts";
import { createManualClock } from "../../../../src/kernel/clock.ts";
import { makeDirectory } from "../directories.ts";
import { rejection } from "../rig.ts";

/** A file system of that many bytes in memory. Only root may mount one. */
function mountSmall(bytes: number): string | undefined {
  const directory = makeDirectory();
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", directory]);
  return status === 0 ? directory : undefined;
}

const mounted: string[] = [];
const canMount = ((): boolean => {
  const directory = mountSmall(1024 * 1024);
  if (directory !== undefined) spawnSync("umount", [directory]);
  return directory !== undefined;
})();

afterEach(() => {
  for (const directory of mounted.splice(0)) spawnSync("umount", ["-l", directory]);
});

/** Fills the disk except for that many bytes. */
function fill(directory: string, left = 0): string {
  const file = join(directory, "ballast");
  const { bavail, bsize } = statfsSync(directory);
  try {
    writeFileSync(file, new Uint8Array(Math.max(0, bavail * bsize - left)));
  } catch {
    // The file has as many bytes as there was space for.
  }
  return file;
}

describe.skipIf(!canMount)("an engine on a full disk", () => {
  it("refuses changes with a reason, serves reads, leaves nothing half done, and accepts changes when there is space", async () => {
    const disk = mountSmall(6 * 1024 * 1024) ?? "";
    mounted.push(disk);
    const clock = createManualClock();
    const engine: Engine = await createEngine({ modulesRoot: makeDirectory(), dataDir: disk, clock });
    const { flags, store } = engine;
    const received: (Refusal | undefined)[] = [];
    store.writable.observe((refusal) => received.push(refusal));
    const set = (percentage: number) => flags.setPercentage("smart_router", percentage, { allowMissing: true });
    await set(1);
    const ballast = fill(disk);
    let acknowledged = 1;
    let refused = 0;
    for (let n = 2; refused < 5; n += 1) {
      const error = await rejection(
        set(n % 100).then(() => {
          acknowledged = n % 100;
        }),
      );
      if (error === undefined) continue;
      refused += 1;
      expect(isReason(error, "STORE_UNAVAILABLE") && error.metadata.problem).toMatch(/full|disk I\/O/);
      const reads = [flags.get("smart_router").record.percentage, (await store.get("flag/smart_router"))?.value];
      expect(reads[0]).toBe(acknowledged);
      expect(JSON.parse(String(reads[1]))).toMatchObject({ percentage: acknowledged });
    }
    expect(flags.evaluate("smart_router", { sessionId: "a" }).revision).toBe(flags.get("smart_router").revision);
    expect(
      await rejection(
        store.batch(
          [
            { key: "a", value: "1" },
            { key: "b", value: "1" },
          ],
          { action: "Test" },
        ),
      ),
    ).toBeInstanceOf(Error);
    expect(await store.get("a")).toBeUndefined();
    expect(store.writable.refusal).toMatchObject({ since: clock.now() });
    expect(engine.status().unhealthy).toMatchObject([{ domain: "STORE", state: "REFUSED" }]);
    clock.advance(5_000);
    expect(store.writable.refusal).toBeDefined();
    rmSync(ballast);
    clock.advance(5_000);
    expect(store.writable.refusal).toBeUndefined();
    expect(received).toMatchObject([{ since: 1.7e12 }, undefined]);
    expect((await set(77)).record.percentage).toBe(77);
    const { revision } = await store.list("");
    await engine.close();
    const again = await createEngine({ modulesRoot: makeDirectory(), dataDir: disk, clock });
    expect(again.revision()).toBe(revision);
    expect(again.flags.get("smart_router").record.percentage).toBe(77);
    await again.close();
  });
});
