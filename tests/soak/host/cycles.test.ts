// @module-tag soak

import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Isolation } from "../../../src/core/modules/host/types/host.ts";
import { type HostRig, hostRig, NO_GRANTS, ownHost } from "../../core/modules/host-rig.ts";
import { childrenOf } from "../../core/modules/processes.ts";
import { errorOf } from "../../support/errors.ts";
import { describeInEach } from "../../support/isolations.ts";
import { until } from "../../support/until.ts";

const GRANTS = [NO_GRANTS, { ...NO_GRANTS, childProcess: true }];

/** The resources of this process: open files, children, and the handles of its event loop. */
const held = (): Record<string, number> => ({
  files: readdirSync("/proc/self/fd").length,
  children: childrenOf(process.pid).length,
  handles: process.getActiveResourcesInfo().filter((name) => name !== "Timeout" && name !== "Immediate").length,
  tasks: readdirSync("/proc/self/task").length,
});

const cycles = async ({ start }: HostRig, isolation: Isolation, count: number): Promise<void> => {
  for (let cycle = 0; cycle < count; cycle += 1) {
    const [grants = NO_GRANTS] = GRANTS.slice(cycle % 2);
    const instance = await start(isolation, "echo", { grants });
    if (cycle % 3 === 0) instance.kill();
    else await instance.stop(5000);
    await instance.ended;
  }
};

describeInEach("a host of instances in a %s", (isolation) => {
  it("uses no more memory after many of them than after the first", async () => {
    const rig = hostRig({}, ownHost());
    await cycles(rig, isolation, 6);
    // The descriptors of an ended process's pipes are freed a moment later.
    let before = held();
    await until(() => {
      const settled = JSON.stringify(before) === JSON.stringify(held());
      before = held();
      return settled;
    });
    await cycles(rig, isolation, 20);
    // Fewer are fine, too: the builder's thread ends by itself when it is idle.
    await until(() => Object.entries(held()).every(([what, count]) => count <= (before[what] ?? 0)));
  });
});

describe("an instance in a process", () => {
  it("cannot be started with more variables than the system allows, and the error says why", async () => {
    const { start } = hostRig({}, ownHost());
    const children = childrenOf(process.pid);
    const thrown = await errorOf(start("PROCESS", "echo", { env: bigEnvironment() }));
    expect(thrown).toMatchObject({ reason: "MODULE_LOAD_FAILED", metadata: { step: "import" } });
    expect(thrown.metadata.error).toContain("could not be started: spawn E2BIG");
    expect(childrenOf(process.pid)).toEqual(children);
  });
});

function bigEnvironment(): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`V${index}`, "x".repeat(32_768)]));
}
