// @module-tag soak

import { expect, it } from "vitest";
import { call, hostRig, ownHost } from "../../core/modules/host-rig.ts";
import { errorOf } from "../../support/errors.ts";
import { describeInEach } from "../../support/isolations.ts";

/** On a busy machine an instance can allocate memory faster than a thread is checked, and is not sure to end in time. */
const WAYS = {
  PROCESS: ["arrays", "one_array", "buffers", "strings", "objects", "trickle"],
  THREAD: ["arrays", "buffers", "strings", "trickle"],
};

/** On a busy machine a thread may collect garbage for longer than its timeout. */
const SAID = {
  PROCESS: /^out of memory$/,
  THREAD: /^out of memory(; its thread cannot be ended and is left behind)?$/,
};

describeInEach("an instance in a %s", (isolation) => {
  it.each(WAYS[isolation])(
    "ends alone with the cause if it takes memory by %s",
    { timeout: 120_000 },
    async (method) => {
      const { start } = hostRig({}, ownHost());
      const other = await start(isolation, "echo");
      const instance = await start(isolation, "greedy", { maxHeapMb: 32 });
      const taking = errorOf(call(instance, method));
      expect(await instance.ended).toEqual({ expected: false, description: expect.stringMatching(SAID[isolation]) });
      expect(await taking).toMatchObject({
        reason: "MODULE_CRASHED",
        metadata: { error: expect.stringMatching(SAID[isolation]) },
      });
      expect(await call(other, "echo", 1)).toBe(1);
    },
  );

  it("is watched from its start, however many start at once and however slowly", async () => {
    const { start } = hostRig({}, ownHost());
    const starting = Array.from({ length: 8 }, () => start(isolation, "greedy", { maxHeapMb: 32 }));
    const instances = await Promise.all(starting);
    for (const instance of instances) call(instance, "trickle").catch(() => {});
    for (const { ended } of instances) {
      expect(await ended).toEqual({ expected: false, description: expect.stringMatching(SAID[isolation]) });
    }
  });

  it("lives on if it makes endless garbage and keeps little", async () => {
    const instance = await hostRig({}, ownHost()).start(isolation, "greedy", { maxHeapMb: 48 });
    expect(await call(instance, "churn", 600)).toBe(40);
    expect((await instance.usage({ collect: true }, 10_000)).heapUsedBytes).toBeLessThan(48 * 1024 * 1024);
  });
});
