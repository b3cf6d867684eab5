import { describe, expect, it } from "vitest";
import { call, failure, hostRig, ISOLATIONS } from "./host-rig.ts";

/** What takes memory faster than a thread can be looked at on a busy machine is not sure to end in time. */
const WAYS = {
  PROCESS: ["arrays", "one_array", "buffers", "strings", "objects", "trickle"],
  THREAD: ["arrays", "buffers", "strings", "trickle"],
};

describe.each(ISOLATIONS)("an instance in a %s", (isolation) => {
  it.each(WAYS[isolation])("that takes memory by %s ends alone, and says so", async (method) => {
    const { start } = hostRig();
    const other = await start(isolation, "echo");
    const instance = await start(isolation, "greedy", { maxHeapMb: 32 });
    const taking = failure(call(instance, method));
    expect(await instance.ended).toEqual({ expected: false, description: "out of memory" });
    expect(await taking).toMatchObject({ reason: "MODULE_CRASHED", metadata: { error: "out of memory" } });
    expect(await call(other, "echo", 1)).toBe(1);
  });

  it("that makes garbage without end, and keeps little, lives on", async () => {
    const instance = await hostRig().start(isolation, "greedy", { maxHeapMb: 48 });
    expect(await call(instance, "churn", 2000)).toBe(40);
    expect((await instance.usage({ collect: true }, 10_000)).heapUsedBytes).toBeLessThan(48 * 1024 * 1024);
  });
});
