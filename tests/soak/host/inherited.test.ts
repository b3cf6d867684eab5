// @module-tag soak

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { inheritedDescriptors } from "../../../src/core/modules/host/bounds/inherited.ts";
import { answering, hostOf, launch, run, tree } from "../../core/modules/artifact-rig.ts";
import { describeInEach } from "../../support/isolations.ts";

const FIXTURE = join(import.meta.dirname, "../../fixtures/artifacts/inheriting.ts");
const WRITES = answering(
  `["writeSync", "fstatSync"].map((name) => { try { fs[name](input, "x"); return "reached" } catch ({ code }) { return code } })
    .concat([process.argv.length, spawns ? spawnSync("/bin/sh", ["-c", "echo x >&" + input]).status !== 0 : true])`,
  `import fs from "node:fs"; import { spawnSync } from "node:child_process"; const spawns = process.permission.has("child");`,
);

describe.skipIf(process.platform !== "linux")("a file descriptor that the service has inherited", () => {
  // Node itself closes consecutive descriptors.
  it.each([
    [8, ""],
    [8, "child_process"],
    [20, ""],
    [20, "child_process"],
    [57, ""],
    [200, ""],
    [200, "child_process"],
  ])("is closed in a module's process: %d, with the grant '%s'", (descriptor, grant) => {
    const root = tree({ "m.mjs": WRITES, log: "" });
    const log = join(root, "log");
    const command = `exec ${descriptor}>>"$LOG"; exec "$NODE" "$FIXTURE" "$ROOT" ${descriptor} ${grant}`;
    const env = { LOG: log, NODE: process.execPath, FIXTURE, ROOT: root };
    const printed = execFileSync("/bin/bash", ["-c", command], { env, encoding: "utf8" });
    const [write, stat, ...rest] = JSON.parse(printed) as unknown[];
    // Low numbers are reused by the process itself.
    if (descriptor > 50) expect([write, stat]).toEqual(["EBADF", "EBADF"]);
    expect(rest).toEqual([2, true]);
    expect(readFileSync(log, "utf8")).toBe("");
  });

  it("is distinguished by its flags from those that this process opened itself", () => {
    const before = inheritedDescriptors();
    expect(before.every((descriptor) => descriptor > 2)).toBe(true);
    expect(inheritedDescriptors()).toEqual(before);
  });
});

describeInEach("SIGUSR1 to the process of a module in a %s", (isolation) => {
  it.skipIf(isolation === "THREAD")("opens no inspector, and does not end the process", async () => {
    const root = tree({
      "m.mjs": answering("[process.pid, inspector.url() ?? null]", 'import inspector from "node:inspector";'),
    });
    const host = hostOf(root);
    const instance = await launch(host, await host.resolve("m"), isolation);
    const [pid] = (await run(instance)) as [number, unknown];
    for (let times = 0; times < 3; times += 1) {
      process.kill(pid, "SIGUSR1");
      expect(await run(instance)).toEqual([pid, null]);
    }
    expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toContain("--disable-sigusr1");
  });
});
