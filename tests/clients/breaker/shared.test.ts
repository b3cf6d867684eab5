import { describe, expect, it } from "vitest";
import { house } from "./rig.ts";

const FAST = { failureThreshold: 3, timeoutMs: 1000, successThreshold: 1, probeTimeoutMs: 500 };

describe("a breaker", () => {
  it("trips at once, and all clients with it", async () => {
    const home = await house();
    const [one, two] = [home.connect("one"), home.connect("two")];
    const [a, b] = [one.breakers.breaker("api", FAST), two.breakers.breaker("api", FAST)];
    await home.quiet();
    expect(a.status()).toMatchObject({ state: "CLOSED", source: "SERVICE", connected: true });
    for (let call = 0; call < 3; call += 1) a.tryAcquire()?.settle("FAILURE");
    expect(a.status()).toMatchObject({ state: "OPEN", source: "LOCAL" });
    expect(a.tryAcquire()).toBeNull();
    await home.quiet();
    expect(home.service.get("api")).toMatchObject({ state: "OPEN" });
    expect(a.status()).toMatchObject({ state: "OPEN", source: "SERVICE", retryAfterMs: 1000, unreported: 0 });
    expect(b.status()).toMatchObject({ state: "OPEN", source: "SERVICE", retryAfterMs: 1000 });
    await home.pass(1000);
    expect(b.status()).toMatchObject({ state: "HALF_OPEN", source: "SERVICE" });
    const permit = await b.acquire();
    expect(permit).not.toBeNull();
    permit?.settle("SUCCESS");
    await home.quiet();
    expect(a.status()).toMatchObject({ state: "CLOSED", source: "SERVICE" });
    await Promise.all([one.breakers.close(), two.breakers.close()]);
    await home.quiet();
    expect(one.link.streams()).toBe(0);
  });
});
