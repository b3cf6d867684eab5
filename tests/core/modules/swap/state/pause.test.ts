import { describe, expect, it } from "vitest";
import { HeliosError } from "../../../../../src/core/errors/error.ts";
import { duringPause } from "../../../../../src/core/modules/swap/state/pause.ts";

describe("a request to an instance during a pause", () => {
  const pause = { limitMs: 1200, left: () => 1 };

  it("has what is left of the pause, and its error names the length of the pause", async () => {
    const asked = duringPause(pause, async (timeoutMs) => {
      throw HeliosError.of("MODULE_DEADLINE_EXCEEDED", {
        name: "a",
        method: "importState",
        timeout: `${timeoutMs / 1000} s`,
      });
    });
    await expect(asked).rejects.toMatchObject({
      message: "importState of module a did not answer within the pause of 1.2 s",
      cause: { metadata: { timeout: "0.001 s" } },
    });
  });

  it("fails with any other error as it is", async () => {
    const error = new Error("no feed");
    await expect(duringPause(pause, () => Promise.reject(error))).rejects.toBe(error);
  });
});
