import { describe, expect, it } from "vitest";
import { serviceRig } from "./rig.ts";

/** The result of a promise so far. Undefined: the promise is pending. */
async function settled<T>(promise: Promise<T>): Promise<T | undefined> {
  return Promise.race([promise, new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined)))]);
}

describe("the wait for a breaker to be ready", () => {
  it("ends with true when the service has sent its state, and at once from then on", async () => {
    const rig = await serviceRig();
    const { breakers, link } = rig.connect("one", (one) => one.down());
    const api = breakers.breaker("api");
    const ready = api.ready(60_000);
    await rig.quiet();
    expect(await settled(ready)).toBeUndefined();
    link.up();
    await rig.pass(15_000);
    expect(await ready).toBe(true);
    expect(api.status().connected).toBe(true);
    expect(await api.ready(0)).toBe(true);
    await breakers.close();
  });

  it("ends with false after the given time, and leaves nothing behind", async () => {
    const rig = await serviceRig();
    const { breakers } = rig.connect("one", (one) => one.down());
    const api = breakers.breaker("api");
    await rig.quiet();
    const ready = api.ready(500);
    await rig.pass(450);
    expect(await settled(ready)).toBeUndefined();
    await rig.pass(50);
    expect(await ready).toBe(false);
    await breakers.close();
  });

  it("ends with false when the breakers are closed", async () => {
    const rig = await serviceRig();
    const { breakers } = rig.connect("one", (one) => one.down());
    const ready = breakers.breaker("api").ready(60_000);
    await rig.quiet();
    await breakers.close();
    expect(await ready).toBe(false);
  });
});
