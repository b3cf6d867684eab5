import { describe, expect, it } from "vitest";
import { Fence } from "../../../../../src/core/modules/calls/generation/fence.ts";
import { errorOf } from "../../../../support/errors.ts";

describe("a fence", () => {
  it("rejects later and earlier callers with the reason for which it was shut", async () => {
    const fence = new Fence("trader", 3);
    await fence.pass();
    fence.freeze();
    const waits = errorOf(fence.pass());
    fence.shut("its swap was given up");
    const expected = {
      reason: "MODULE_FENCED",
      message: "generation 3 of module trader does not serve: its swap was given up",
    };
    expect(await waits).toMatchObject(expected);
    expect(await errorOf(fence.pass())).toMatchObject(expected);
  });

  it("lets waiting callers continue once it is open", async () => {
    const fence = new Fence("trader", 3);
    fence.freeze();
    const waits = fence.pass();
    fence.open();
    await waits;
    await fence.pass();
  });
});
