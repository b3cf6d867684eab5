import { describe, expect, it } from "vitest";
import { fail, rig } from "./rig.ts";

describe("a call that an open breaker rejects", () => {
  it("fails with an error that says which breaker rejected it, and has no stack trace", async () => {
    const setup = await rig();
    await setup.breakers.getOrCreate("api", { timeoutMs: 1000 });
    fail(setup, "api", 5);
    const error: unknown = await setup.breakers
      .handle("api")
      .call(() => 1)
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ reason: "BREAKER_OPEN", message: "breaker api is open; retry in 1 s" });
    expect((error as Error).stack).not.toMatch(/\n\s+at /);
    await setup.breakers.close();
  });

  it("is counted and recorded, whoever made it", async () => {
    const setup = await rig();
    const { breakers, clock } = setup;
    await breakers.getOrCreate("api", { timeoutMs: 1000 });
    fail(setup, "api", 5);
    for (const clientId of ["", "a", "b"])
      expect(breakers.acquire("api", clientId)).toEqual({
        allowed: false,
        epoch: 2,
        state: "OPEN",
        retryAfterMs: 1000,
      });
    expect(breakers.get("api").counts.rejected).toBe(3);
    expect(breakers.simulate("api").actual).toMatchObject({ calls: 8, rejected: 3 });
    clock.advance(999);
    expect(breakers.acquire("api")).toMatchObject({ allowed: false, retryAfterMs: 1 });
    clock.advance(1);
    expect(breakers.acquire("api").allowed).toBe(true);
    await breakers.close();
  });
});
